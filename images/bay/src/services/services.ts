import { Capabilities } from "./capabilities";
import { Cargos } from "./cargos";
import type { ServiceContext } from "./context";
import { Gc } from "./gc";
import { Idempotency } from "./idempotency";
import { Locks } from "./locks";
import { Sandboxes } from "./sandboxes";
import { Sessions } from "./sessions";

/** Everything that routes use. */
export interface Services {
  context: ServiceContext;
  sandboxes: Sandboxes;
  capabilities: Capabilities;
  cargos: Cargos;
  idempotency: Idempotency;
  gc: Gc;
}

/** Puts the services together; `instanceId` tells this Bay's pods from those of others. */
export function makeServices(context: ServiceContext, instanceId: string): Services {
  const locks = new Locks();
  const sessions = new Sessions(context, locks);
  const cargos = new Cargos(context);
  const sandboxes = new Sandboxes(context, sessions, cargos, locks);
  return {
    context, sandboxes, cargos, capabilities: new Capabilities(context, sessions),
    idempotency: new Idempotency(context.store, context.config.idempotency),
    gc: new Gc(context, { sandboxes, sessions, cargos, locks }, instanceId),
  };
}
