import type { Config } from "../config/schema";
import type { Profile } from "../config/profiles";
import { overLimit } from "../errors";
import type { Driver } from "../driver/driver";
import type { Budget } from "../../../common/src/budget";
import type { Logger } from "../../../common/src/logger";
import type { Store } from "../store/store";
import type { SessionTokens } from "./session-tokens";

/** What every service works with. */
export interface ServiceContext {
  config: Config;
  profiles: Map<string, Profile>;
  store: Store;
  driver: Driver;
  log: Logger;
  /** Memory for calls under way. */
  budget: Budget;
  /** Room on disk for uploads whose path is not known yet. */
  aside: Budget;
  tokens: SessionTokens;
}

/** @throws BayError quota_exceeded when the database has reached its largest size */
export function requireRoom({ store, config }: Pick<ServiceContext, "store" | "config">): void {
  if (store.full)
    throw overLimit(`the database has reached database.max_mb (${config.database.max_mb})`, {
      reason: "database_full",
    });
}
