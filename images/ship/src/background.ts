import { randomBytes } from "node:crypto";
import { LIMITS } from "./limits";
import { groups } from "./process-group";
import { type CommandSetting, startShell } from "./shell";
import { WorkspaceError } from "./workspace-error";

/** A command that runs in the background. */
export interface BackgroundCommand {
  /** Eight hexadecimal digits. */
  process_id: string;
  /** Its process, which leads a group of its own. */
  pid: number;
  command: string;
  status: "running";
}

/** The commands that were started in the background and run still; one that has ended is forgotten. */
export class BackgroundCommands {
  private readonly running = new Map<string, BackgroundCommand>();

  /** Starts a command without a time limit. @throws Error when it cannot be started */
  async start(command: string, setting: CommandSetting): Promise<BackgroundCommand> {
    if (this.running.size >= LIMITS.background)
      throw new WorkspaceError(
        413,
        `too_many_commands: ${LIMITS.background} commands run in the background, which is the limit`,
      );
    const child = await startShell(command, setting);
    const started: BackgroundCommand = {
      process_id: randomBytes(4).toString("hex"),
      pid: child.pid!,
      command,
      status: "running",
    };
    if (child.exitCode !== null || child.signalCode !== null) return started;
    groups.add(child.pid!);
    this.running.set(started.process_id, started);
    child.once("exit", () => {
      this.running.delete(started.process_id);
      groups.delete(child.pid!);
    });
    return started;
  }

  list(): BackgroundCommand[] {
    return [...this.running.values()];
  }
}
