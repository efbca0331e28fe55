import { openPropagator } from "../../checkpoint/support/propagator";
import E2EEnvironment from "../../support/environment";
import { OUTSIDE, type Outside } from "../../support/outside";
import { readSession } from "../../support/session";

/**
 * What a hostile test gets from outside its module registry: the cluster as E2E tests do, and the way to the
 * propagator.
 */
export interface HostileOutside extends Outside {
  openPropagator(): Promise<{ url: string; token: string; clusterId?: string; close(): Promise<void> }>;
}

/** Environment of the hostile project. */
export default class HostileEnvironment extends E2EEnvironment {
  override async setup(): Promise<void> {
    await super.setup();
    const global = this.global as unknown as Record<string, HostileOutside>;
    global[OUTSIDE]!.openPropagator = async () => {
      const { url, token, clusterId, close } = await openPropagator(readSession().outputs);
      return { url, token, ...(clusterId === undefined ? {} : { clusterId }), close };
    };
  }
}
