import type { EngineEvent } from "@pulumi/pulumi/automation";
import { pendingIn } from "../../infra/support/pending-pods";
import { kubeconfigOf, openCluster } from "../cluster/access";
import { elapsed } from "../progress";

/** Milliseconds that an object of a cluster may take before the cluster is asked why, and between two looks. */
const ASKED_AFTER = 15_000;
const ASKED_EVERY = 10_000;

/** One resource that Pulumi works on. A component only waits for what is in it. */
interface Step {
  op: string;
  urn: string;
  component: boolean;
  since: number;
  status?: string;
}

/**
 * What Pulumi works on now, by its events: the resources that have begun and not ended, with the last thing that their
 * plugins said, and why pods and volumes of the stack's namespaces are not ready, where those take long.
 */
export class InFlight {
  readonly #steps = new Map<string, Step>();
  #program = "";
  #asked = 0;
  #pending = "";

  constructor(private readonly stack: string) {}

  onEvent({ resourcePreEvent, resOutputsEvent, resOpFailedEvent, diagnosticEvent }: EngineEvent): void {
    const begun = resourcePreEvent?.metadata;
    if (begun && begun.op !== "same")
      this.#steps.set(begun.urn, {
        op: begun.op,
        urn: begun.urn,
        component: (begun.new ?? begun.old)?.custom !== true,
        since: Date.now(),
      });
    for (const ended of [resOutputsEvent?.metadata, resOpFailedEvent?.metadata])
      if (ended) this.#steps.delete(ended.urn);
    if (!diagnosticEvent) return;
    const said = diagnosticEvent.message.trim();
    const step = this.#steps.get(diagnosticEvent.urn ?? "");
    if (step && said !== "") step.status = said;
    else if (diagnosticEvent.ephemeral && said !== "") this.#program = said;
  }

  /** What is waited for, in one line; nothing where Pulumi has not begun. Looks into the cluster now and then. */
  text(now = Date.now()): string | undefined {
    const steps = [...this.#steps.values()];
    if (steps.length === 0) return this.#program === "" ? undefined : this.#program;
    if (
      steps.some(({ urn, since }) => urn.includes("kubernetes:") && now - since > ASKED_AFTER) &&
      now - this.#asked > ASKED_EVERY
    ) {
      this.#asked = now;
      void this.#ask(steps).catch(() => undefined);
    }
    const telling = steps.filter(({ component, status }) => !component || status !== undefined);
    const named = telling.length > 0 ? telling : steps;
    const shown = named
      .slice(0, 3)
      .map(
        ({ op, urn, since, status }) =>
          `${op} ${nameOf(urn)} for ${elapsed(since, now)}${status === undefined ? "" : `: ${status.split("\n")[0]!}`}`,
      );
    const more = named.length > 3 ? `; and ${named.length - 3} more` : "";
    return `${shown.join("; ")}${more}${this.#pending === "" ? "" : `. ${this.#pending}`}`;
  }

  async #ask(steps: readonly Step[]): Promise<void> {
    const kubeconfig = await kubeconfigOf(this.stack);
    if (kubeconfig === undefined || steps.length === 0) return;
    const cluster = await openCluster(kubeconfig);
    try {
      const { items = [] } =
        (await cluster.get<{ items: { metadata: { name: string } }[] }>(
          "/api/v1/namespaces?labelSelector=bay-e2e.dev%2Fowner",
        )) ?? {};
      const found = await Promise.all(items.map(({ metadata }) => pendingIn(cluster.get, metadata.name)));
      this.#pending = found.flat().slice(0, 3).join("; ");
    } finally {
      cluster.close();
    }
  }
}

/** `urn:pulumi:k3s::bay-e2e::…$kubernetes:core/v1:Pod::pod` as `Pod pod`. */
export function nameOf(urn: string): string {
  const [, , type = "", name = ""] = urn.split("::");
  return `${type.split(":").pop() ?? ""} ${name}`;
}
