import { basename } from "node:path";
import type { Circus } from "@jest/types";
import { saveFailure } from "../../support/evidence";
import { Kube } from "../../support/kube";
import { OUTSIDE } from "../../support/outside";
import { openForward } from "../../support/port-forward";
import SelectingEnvironment from "../../support/selecting-environment";
import { fullName, isLacking, nameSkip } from "../../support/skips";
import { partsOf } from "./evidence";
import { openPropagator } from "./propagator";
import type { CheckpointOutside } from "./rig";
import { readSession } from "./session";

/**
 * Environment of the checkpoint project: gives access to cluster and propagator, and saves a failure's evidence before
 * any cleanup.
 */
export default class CheckpointEnvironment extends SelectingEnvironment {
  readonly #file: string;
  #kube: Kube | undefined;

  constructor(...args: ConstructorParameters<typeof SelectingEnvironment>) {
    super(...args);
    this.#file = basename(args[1].testPath, ".test.ts");
  }

  override async setup(): Promise<void> {
    await super.setup();
    const kube = (): Kube => (this.#kube ??= new Kube(readSession().kubeconfig));
    const outside: CheckpointOutside = {
      kube,
      openForward,
      openPropagator: async () => {
        const { url, token, clusterId, close } = await openPropagator(readSession().outputs);
        return { url, token, ...(clusterId === undefined ? {} : { clusterId }), close };
      },
    };
    (this.global as unknown as Record<string, unknown>)[OUTSIDE] = outside;
  }

  /** Jest waits for this before it goes on to the hooks that clean up. */
  override async handleTestEvent(event: Circus.AsyncEvent | Circus.SyncEvent, state: Circus.State): Promise<void> {
    await super.handleTestEvent(event, state);
    if (event.name === "test_done") nameSkip(event.test);
    if ((event.name !== "test_fn_failure" && event.name !== "hook_failure") || isLacking(event.error)) return;
    const { kubeconfig, namespace, outputs, lacking } = readSession();
    if (lacking !== undefined) return;
    const secrets = {
      kubeconfig,
      apiKey: outputs?.apiKey ?? "",
      propagatorToken: outputs?.propagatorToken ?? process.env["CEDANA_AUTH_TOKEN"] ?? "",
    };
    this.#kube ??= new Kube(kubeconfig);
    await saveFailure(
      this.#kube,
      { namespace, ...secrets },
      `${this.#file}: ${fullName(event.name === "test_fn_failure" ? event.test : (event.test ?? event.describeBlock))}`,
      event.error,
      partsOf(this.#kube, outputs),
    );
  }
}
