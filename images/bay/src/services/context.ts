import type { Config } from "../config/schema";
import type { Profile } from "../config/profiles";
import type { Driver } from "../driver/driver";
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
  tokens: SessionTokens;
}
