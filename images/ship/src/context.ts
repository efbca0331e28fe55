import type { Kernel } from "./kernel";
import type { BuiltInSkill } from "./startup";
import type { Workspace } from "./workspace";

/** What the routes work with. */
export interface ShipContext {
  version: string;
  workspace: Workspace;
  kernel: Kernel;
  skills: BuiltInSkill[];
}
