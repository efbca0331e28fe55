/** A column of a table. */
export interface Column {
  title: string;
  /** Narrowest width to which a long column is wrapped; default 12. */
  min?: number;
  /** Marks a cell's text, with colour for example, after it was laid out. */
  paint?: (text: string) => string;
}

const GAP = "  ";

/**
 * Lays out rows below their titles within a terminal's width: the widest columns give way first, and what
 * does not fit is wrapped within its column. A log or a pipe has no width and gets one line a row.
 * @param width characters of a line, default the terminal's
 */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width = process.stdout.columns ?? Infinity,
): string {
  const cells = [columns.map(({ title }) => title), ...rows];
  const widths = fit(
    columns,
    columns.map((_, index) => Math.max(...cells.map((row) => longest(row[index] ?? "")))),
    width,
  );
  return cells
    .flatMap((row, at) => {
      const wrapped = columns.map((_, index) =>
        (row[index] ?? "").split("\n").flatMap((line) => wrap(line, widths[index]!)),
      );
      const height = Math.max(...wrapped.map((lines) => lines.length));
      return Array.from({ length: height }, (_, line) =>
        columns
          .map(({ paint }, index) => {
            const text = (wrapped[index]![line] ?? "").padEnd(index === columns.length - 1 ? 0 : widths[index]!);
            return at > 0 && paint ? paint(text) : text;
          })
          .join(GAP)
          .trimEnd(),
      );
    })
    .join("\n");
}

/** Words of a text on lines of at most `width` characters; a longer word is cut, for a line that runs over is worse. */
export function wrap(text: string, width: number): string[] {
  if (text.length <= width) return [text];
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = "";
    }
    line = line === "" ? word : `${line} ${word}`;
    while (line.length > width) {
      lines.push(line.slice(0, width));
      line = line.slice(width);
    }
  }
  if (line !== "") lines.push(line);
  return lines;
}

function fit(columns: readonly Column[], natural: number[], width: number): number[] {
  const widths = [...natural];
  const total = () => widths.reduce((sum, one) => sum + one, GAP.length * (columns.length - 1));
  while (total() > width) {
    const spare = widths.map((one, index) => one - (columns[index]!.min ?? 12));
    const most = Math.max(...spare.map((one, index) => (one > 0 ? widths[index]! : 0)));
    const widest = widths.findIndex((one, index) => spare[index]! > 0 && one === most);
    if (widest < 0) break;
    widths[widest]! -= 1;
  }
  return widths;
}

function longest(text: string): number {
  return Math.max(...text.split("\n").map((line) => line.length));
}

/** Bytes for people: `1.2 GB`. */
export function bytes(count: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const unit = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, count)) / 3));
  return `${(count / 1000 ** unit).toFixed(unit < 2 ? 0 : 1)} ${units[unit]!}`;
}
