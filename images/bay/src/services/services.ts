import { Adoption } from "./adoption";
import { Calls } from "./calls";
import { Capabilities } from "./capabilities";
import { Cargos } from "./cargos";
import type { ServiceContext } from "./context";
import { Gc } from "./gc";
import { Idempotency } from "./idempotency";
import { Locks } from "../../../common/src/locks";
import { Metrics } from "./metrics";
import { OpenRuntimes } from "./open-runtimes";
import { Recovery } from "./recovery";
import { Sandboxes } from "./sandboxes";
import { Sessions } from "./sessions";
import { SetAside } from "./set-aside";
import { Skills } from "./skills";
import { StartQueue } from "./start-queue";

/** Everything that routes use. */
export interface Services {
  context: ServiceContext;
  sandboxes: Sandboxes;
  capabilities: Capabilities;
  cargos: Cargos;
  idempotency: Idempotency;
  gc: Gc;
  skills: Skills;
  recovery: Recovery;
  metrics: Metrics;
}

/** Puts the services together; `instanceId` tells this Bay's pods from those of others. */
export function makeServices(context: ServiceContext, instanceId: string): Services {
  const locks = new Locks();
  const calls = new Calls();
  const queue = new StartQueue(context.config.driver.k8s.max_parallel_starts);
  const aside = new SetAside(context);
  const open = new OpenRuntimes(context);
  const metrics = new Metrics(context, { starts: queue, aside, open });
  const sessions = new Sessions(context, locks, queue, open);
  const cargos = new Cargos(context);
  const sandboxes = new Sandboxes(context, sessions, cargos, locks);
  const recovery = new Recovery(context, {
    sessions,
    cargos,
    locks,
    aside,
    adoption: new Adoption(context, { sessions, locks }),
  });
  const gc = new Gc(context, { sandboxes, sessions, cargos, locks, calls, recovery, aside }, instanceId);
  sessions.onStart = (outcome, ms) => {
    metrics.start(outcome, ms);
  };
  gc.onTask = (result) => {
    metrics.gc(result);
  };
  return {
    context,
    sandboxes,
    cargos,
    gc,
    metrics,
    skills: new Skills(context),
    recovery,
    capabilities: new Capabilities(context, sessions, calls),
    idempotency: new Idempotency(context.store, context.config.idempotency),
  };
}
