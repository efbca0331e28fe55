import type { BackgroundCommands } from "./background";
import type { Kernel } from "./kernel";
import type { BuiltInSkill } from "./startup";
import type { Workspace } from "./workspace";

/** What the routes work with. */
export interface ShipContext {
  version: string;
  workspace: Workspace;
  kernel: Kernel;
  background: BackgroundCommands;
  skills: BuiltInSkill[];
  /** Programs that the image lacks. */
  missing: string[];
}
