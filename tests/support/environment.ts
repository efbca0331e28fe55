import { basename } from "node:path";
import { TestEnvironment } from "jest-environment-node";
import { saveFailure } from "./evidence";
import { Kube } from "./kube";
import { OUTSIDE, type Outside } from "./outside";
import { openForward } from "./port-forward";
import { readSession } from "./session";

/** A test or a describe block, as Jest's runner shows it. */
interface Block {
  name: string;
  parent?: Block;
}

/** What is used of the events of Jest's runner. */
interface CircusEvent {
  name: string;
  test?: Block;
  describeBlock?: Block;
  error?: unknown;
}

/** One client per worker and cluster: it holds no connection while nobody calls. */
const clients = new Map<string, Kube>();

function kube(kubeconfig: string): Kube {
  const client = clients.get(kubeconfig) ?? new Kube(kubeconfig);
  clients.set(kubeconfig, client);
  return client;
}

/** Environment of the e2e project: gives access to the cluster, and saves the evidence of a failure before any cleanup. */
export default class E2EEnvironment extends TestEnvironment {
  readonly #file: string;

  constructor(...args: ConstructorParameters<typeof TestEnvironment>) {
    super(...args);
    this.#file = basename(args[1].testPath, ".test.ts");
  }

  override async setup(): Promise<void> {
    await super.setup();
    const outside: Outside = { kube, openForward };
    (this.global as unknown as Record<string, unknown>)[OUTSIDE] = outside;
  }

  /** Jest waits for this before it goes on to the hooks that clean up. */
  async handleTestEvent(event: CircusEvent): Promise<void> {
    if (event.name !== "test_fn_failure" && event.name !== "hook_failure") return;
    const { outputs } = readSession();
    await saveFailure(kube(outputs.kubeconfig), outputs, `${this.#file}: ${fullName(event.test ?? event.describeBlock)}`, event.error);
  }
}

function fullName(block: Block | undefined): string {
  const names: string[] = [];
  for (let next = block; next && next.name !== "ROOT_DESCRIBE_BLOCK"; next = next.parent) names.unshift(next.name);
  return names.join(" ") || "before or after all tests";
}
