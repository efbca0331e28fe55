import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { Circus } from "@jest/types";
import { FORWARD_FILE, saveFailure } from "./evidence";
import { Kube } from "./kube";
import { OUTSIDE, type Outside } from "./outside";
import { type ForwardStatus, openForward } from "./port-forward";
import { runFolder } from "./run-folder";
import SelectingEnvironment from "./selecting-environment";
import { readSession } from "./session";
import { fullName, isLacking, leaveOutReference, nameSkip } from "./skips";

/** One client per worker and cluster: it holds no connection while nobody calls. */
const clients = new Map<string, Kube>();

function kube(kubeconfig: string): Kube {
  const client = clients.get(kubeconfig) ?? new Kube(kubeconfig);
  clients.set(kubeconfig, client);
  return client;
}

/**
 * Environment of the e2e project: gives access to the cluster, and saves the evidence of a failure before any cleanup.
 */
export default class E2EEnvironment extends SelectingEnvironment {
  readonly #file: string;

  constructor(...args: ConstructorParameters<typeof SelectingEnvironment>) {
    super(...args);
    this.#file = basename(args[1].testPath, ".test.ts");
  }

  override async setup(): Promise<void> {
    await super.setup();
    const outside: Outside = {
      kube,
      openForward,
      forwardStatus: () => JSON.parse(readFileSync(join(runFolder(), FORWARD_FILE), "utf8")) as ForwardStatus,
    };
    (this.global as unknown as Record<string, unknown>)[OUTSIDE] = outside;
  }

  /** Jest waits for this before it goes on to the hooks that clean up. */
  override async handleTestEvent(event: Circus.AsyncEvent | Circus.SyncEvent, state: Circus.State): Promise<void> {
    await super.handleTestEvent(event, state);
    if (event.name === "run_start" && !readSession().reference) leaveOutReference(state.rootDescribeBlock);
    if (event.name === "test_done") nameSkip(event.test);
    if (event.name === "test_fn_failure" && isLacking(event.error)) return;
    if (event.name !== "test_fn_failure" && event.name !== "hook_failure") return;
    const { outputs } = readSession();
    await saveFailure(
      kube(outputs.kubeconfig),
      outputs,
      `${this.#file}: ${fullName(event.name === "test_fn_failure" ? event.test : (event.test ?? event.describeBlock))}`,
      event.error,
    );
  }
}
