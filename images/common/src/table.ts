import type { Database, Value } from "./database";

/**
 * How a property is kept in its column, whose name is the property's in snake case. Text of any content is kept as
 * JSON: the library cuts plain text at a NUL.
 */
export type Kind = "plain" | "boolean" | "json";
type Kinds<R> = { [K in keyof R]-?: Kind };

/** Rows with a value that cannot be read. */
const broken = new WeakSet<object>();

/** Whether a row has a value that could not be read, which is null in its place. */
export function isBroken(row: object): boolean {
  return broken.has(row);
}

/** Rows of one table as objects. A value that cannot be read makes its row a broken one, not a failure of all. */
export class Table<R extends object> {
  private readonly properties: (keyof R & string)[];
  private readonly columns: string;

  /** @param kinds Each property of a row. @param key The property that names a row. */
  constructor(
    private readonly database: Database,
    private readonly name: string,
    private readonly kinds: Kinds<R>,
    private readonly key: keyof R & string,
  ) {
    this.properties = Object.keys(kinds) as (keyof R & string)[];
    this.columns = this.properties.map(column).join(", ");
  }

  /** @param more Columns that are no properties. */
  insert(row: R, more: Record<string, Value> = {}, verb: "INSERT" | "INSERT OR REPLACE" = "INSERT"): void {
    const extra = Object.keys(more);
    const names = [this.columns, ...extra].join(", ");
    const marks = [...this.properties, ...extra].map(() => "?").join(", ");
    this.database.run(
      `${verb} INTO ${this.name} (${names}) VALUES (${marks})`,
      ...this.properties.map((each) => this.toValue(each, row[each])),
      ...Object.values(more),
    );
  }

  find(id: string): R | undefined {
    return this.first(`${column(this.key)} = ?`, id);
  }

  /** Changes the properties given; a row that is not there is left so. */
  update(id: string, changes: Partial<R>, more: Record<string, Value> = {}): void {
    const properties = this.properties.filter((each) => changes[each] !== undefined);
    const names = [...properties.map(column), ...Object.keys(more)];
    if (names.length === 0) return;
    const values = [...properties.map((each) => this.toValue(each, changes[each])), ...Object.values(more)];
    this.database.run(
      `UPDATE ${this.name} SET ${names.map((each) => `${each} = ?`).join(", ")} WHERE ${column(this.key)} = ?`,
      ...values,
      id,
    );
  }

  first(where: string, ...values: Value[]): R | undefined {
    const row = this.database.get<Record<string, Value>>(
      `SELECT ${this.columns} FROM ${this.name} WHERE ${where} LIMIT 1`,
      ...values,
    );
    return row && this.toRow(row);
  }

  /** @param where A condition, and after it an order and a limit. */
  select(where: string, ...values: Value[]): R[] {
    return this.database
      .all<Record<string, Value>>(`SELECT ${this.columns} FROM ${this.name} WHERE ${where}`, ...values)
      .map((row) => this.toRow(row));
  }

  /** The same without some properties, which are not read. */
  selectWithout<K extends keyof R & string>(left: readonly K[], where: string, ...values: Value[]): Omit<R, K>[] {
    const properties = this.properties.filter((each) => !left.includes(each as K));
    const rows = this.database.all<Record<string, Value>>(
      `SELECT ${properties.map(column).join(", ")} FROM ${this.name} WHERE ${where}`,
      ...values,
    );
    return rows.map((row) => this.toRow(row, properties));
  }

  count(where: string, ...values: Value[]): number {
    return this.database.get<{ n: number }>(`SELECT count(*) AS n FROM ${this.name} WHERE ${where}`, ...values)!.n;
  }

  /** Deletes rows and gives their number. */
  remove(where: string, ...values: Value[]): number {
    return this.database.run(`DELETE FROM ${this.name} WHERE ${where}`, ...values);
  }

  private toValue(property: keyof R & string, value: unknown): Value {
    if (value === null || value === undefined) return null;
    const kind = this.kinds[property];
    // What is of another type than a row says would be counted, compared and shown as something else.
    if (kind === "plain" && typeof value !== "string" && !Number.isFinite(value))
      throw new TypeError(`${this.name}.${property}: wanted a string or a finite number, not ${typeof value}`);
    // The library ends the process when it is given a truth value.
    if (kind === "boolean") return value ? 1 : 0;
    return kind === "json" ? JSON.stringify(value) : (value as Value);
  }

  private toRow(row: Record<string, Value>, properties = this.properties): R {
    let whole = true;
    const result = Object.fromEntries(
      properties.map((each) => {
        const value = row[column(each)] ?? null;
        const kind = this.kinds[each];
        if (value === null || kind === "plain") return [each, value];
        if (kind === "boolean") return [each, value === 1];
        try {
          return [each, JSON.parse(value as string)];
        } catch {
          whole = false;
          return [each, null];
        }
      }),
    ) as R;
    if (!whole) broken.add(result);
    return result;
  }
}

/** `managedBySandboxId` is `managed_by_sandbox_id`. */
function column(property: string): string {
  return property.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
