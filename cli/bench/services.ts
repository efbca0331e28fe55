import { randomBytes } from "node:crypto";
import { BayClient, expectStatus, type SandboxClient } from "../../tests/support/bay-client";
import { Kube } from "../../tests/support/kube";
import { openForward } from "../../tests/support/port-forward";
import { outputsOf, prepare } from "../session";
import { benchFolder, store } from "./figures";
import { podTimes, type PodTimes } from "./pod-times";

/** How much of each kind is measured. */
export interface ServicesPlan {
  /** Sandboxes created one after another, and warm calls of each kind. */
  calls: number;
  /** Sandboxes whose first call is timed, one after another. */
  cold: number;
  /** Sandboxes whose first calls come at once. */
  together: number;
  /** Bytes of one transfer. */
  bytes: number;
}

export const SERVICES_PLAN: ServicesPlan = { calls: 100, cold: 15, together: 20, bytes: 50_000_000 };

/** Milliseconds, one entry a call; transfers in MB a second. */
type Figures = Map<string, number[]>;

/**
 * Times what clients of Bay wait for, through the port-forward that they use, on a stack that is up; of a cold start it
 * says what the time is made of. Figures are no tests: nothing here passes or fails by them.
 * @throws UserError E_STACK_NOT_UP
 */
export async function benchServices(stack: string, plan: ServicesPlan = SERVICES_PLAN): Promise<number> {
  await prepare();
  const outputs = await outputsOf(stack);
  const { kubeconfig, namespace, pod, port } = outputs;
  const forward = await openForward({ kubeconfig, namespace, pod, port });
  const bench = new Bench(new BayClient(forward.url, outputs.apiKey), new Kube(kubeconfig), namespace);
  try {
    await bench.run(plan);
  } finally {
    await bench.clean();
    await forward.close();
  }
  await store(
    benchFolder(),
    { unit: "ms, MB/s for transfers", figures: Object.fromEntries(bench.figures) },
    ["call", "n", "p50", "p95"],
    [...bench.figures].map(([name, values]) => row(name, values)),
  );
  return 0;
}

class Bench {
  readonly figures: Figures = new Map();
  readonly #made: SandboxClient[] = [];

  constructor(
    private readonly bay: BayClient,
    private readonly kube: Kube,
    private readonly namespace: string,
  ) {}

  async run({ calls, cold, together, bytes }: ServicesPlan): Promise<void> {
    await this.repeat("create a sandbox", calls, () => this.create());
    // The first ones: after so many at once the cluster is still binding the volumes of the last.
    const unused = [...this.#made];
    for (let n = 0; n < cold; n += 1) await this.coldStart(unused.shift()!);
    const warm = this.#made[0]!;
    await this.repeat("warm python/exec", calls, async () => {
      expectStatus(await warm.python("1 + 1"), 200);
    });
    await this.repeat("warm shell/exec", calls, async () => {
      expectStatus(await warm.shell("true"), 200);
    });
    await this.transfers(warm, bytes);
    for (const used of this.#made.slice(0, cold)) expectStatus(await used.stop(), 200);
    const began = performance.now();
    await Promise.all(
      Array.from({ length: together }, () => unused.pop() ?? this.#made[0]!).map(async (sandbox) => {
        expectStatus(await sandbox.python("1"), 200);
        this.keep(`first python/exec, ${together} at once`, performance.now() - began);
      }),
    );
  }

  async clean(): Promise<void> {
    for (const sandbox of this.#made) expectStatus(await sandbox.delete(), 204);
    this.bay.close();
  }

  private async create(): Promise<void> {
    this.#made.push(this.bay.sandbox(expectStatus(await this.bay.createSandbox(), 201).id));
  }

  /** The first call of a sandbox, and what the cluster was seen doing meanwhile. */
  private async coldStart(sandbox: SandboxClient): Promise<void> {
    const watch = await podTimes(this.kube, {
      namespace: this.namespace,
      selector: `bay.sandbox_id=${sandbox.id}`,
      last: "started",
      deadline: 5_000,
    });
    const began = performance.now();
    expectStatus(await sandbox.python("1 + 1"), 200);
    const answered = performance.now();
    const times = await watch.end();
    this.keep("first python/exec of a sandbox", answered - began);
    for (const [name, ms] of parts(began, times, answered)) this.keep(`  of it: ${name}`, ms);
  }

  private async transfers(sandbox: SandboxClient, bytes: number): Promise<void> {
    const content = randomBytes(bytes);
    const rate = async (name: string, work: () => Promise<unknown>): Promise<void> => {
      const began = performance.now();
      await work();
      this.keep(name, bytes / 1000 / (performance.now() - began));
    };
    for (let n = 0; n < 5; n += 1) {
      await rate(`upload of ${bytes / 1e6} MB, MB/s`, async () =>
        expectStatus(await sandbox.upload("bench.bin", content), 200),
      );
      await rate(`download of ${bytes / 1e6} MB, MB/s`, async () =>
        expectStatus(await sandbox.download("bench.bin"), 200),
      );
    }
  }

  private async repeat(name: string, count: number, work: () => Promise<void>): Promise<void> {
    for (let n = 0; n < count; n += 1) {
      const began = performance.now();
      await work();
      this.keep(name, performance.now() - began);
    }
  }

  private keep(name: string, value: number): void {
    this.figures.set(name, [...(this.figures.get(name) ?? []), value]);
  }
}

/** The stretches of a cold start, as they follow each other. */
function parts(began: number, { created, scheduled, started }: PodTimes, answered: number): [string, number][] {
  return [
    ["Bay makes the pod", created - began],
    ["volume bound, pod scheduled", scheduled - created],
    ["pod sandbox, volume mounted, container started", started - scheduled],
    ["Ship and its interpreter start, first call", answered - started],
  ];
}

function row(name: string, values: number[]): string[] {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number): string =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!.toFixed(1);
  return [name, String(sorted.length), at(0.5), at(0.95)];
}
