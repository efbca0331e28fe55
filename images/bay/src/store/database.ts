import { Database as SqliteDatabase, type Migration } from "../../../common/src/database";
import { MIGRATIONS } from "./migrations";

export { DatabaseError, type Value } from "../../../common/src/database";

/** Bay's database. */
export class Database extends SqliteDatabase {
  /** @throws DatabaseError */
  constructor(file: string, migrations: readonly Migration[] = MIGRATIONS) {
    super(file, migrations, { owner: "Bay", setting: "database.url" });
  }
}
