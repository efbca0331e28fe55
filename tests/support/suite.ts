import { BayClient, type Answer, type CallOptions, expectStatus, SandboxClient } from "./bay-client";
import type { Cargo, ErrorEnvelope, GcRun, Sandbox } from "./bay-types";
import { Cluster } from "./cluster";
import { outside } from "./outside";
import { Scope } from "./scope";
import { readSession } from "./session";
import { notYet, waitFor } from "./wait";

const session = readSession();

/** Outputs of the stack under test. */
export const stack = session.outputs;
/** Where Bay answers. */
export const url = session.url;
/** Bay, with the stack's key. */
export const bay = new BayClient(url, stack.apiKey);
/** The cluster, by the Kubernetes API. */
export const cluster = new Cluster(outside().kube(stack.kubeconfig), stack.namespace);

afterAll(() => bay.close());

/** Where a test or a file says what it made. */
export type Owner = Pick<Scope, "add">;

/** An owner whose things are removed after each test. */
export function perTest(): Owner {
  let scope = new Scope();
  beforeEach(() => {
    scope = new Scope();
  });
  afterEach(() => scope.close());
  return { add: (name, cleanup) => scope.add(name, cleanup) };
}

/** An owner whose things are removed after the last test of the file or block. */
export function perFile(): Owner {
  const scope = new Scope();
  afterAll(() => scope.close());
  return scope;
}

/** A client of a new sandbox with what its creation answered; its owner deletes it. */
export async function newSandbox(
  owner: Owner,
  body: { profile?: string; ttl?: number; cargo_id?: string } = {},
  options: CallOptions = {},
): Promise<SandboxClient & { created: Sandbox }> {
  const created = expectStatus(await bay.createSandbox(body, options), 201);
  return Object.assign(owned(owner, created.id), { created });
}

/** A client of a sandbox that was made in another way; its owner deletes it. Deleting one twice is no error. */
export function owned(owner: Owner, id: string): SandboxClient {
  const sandbox = bay.sandbox(id);
  owner.add(`sandbox ${id}`, async () => expectStatus(await sandbox.delete(), 204));
  return sandbox;
}

/** An external cargo with what its creation answered; its owner deletes it. */
export async function newCargo(owner: Owner, sizeLimitMb?: number): Promise<Cargo> {
  const cargo = expectStatus(
    await bay.createCargo(sizeLimitMb === undefined ? {} : { size_limit_mb: sizeLimitMb }),
    201,
  );
  owner.add(`cargo ${cargo.id}`, async () => {
    if ((await bay.getCargo(cargo.id)).status !== 404) expectStatus(await bay.deleteCargo(cargo.id), 204);
  });
  return cargo;
}

/** Runs Bay's garbage collection now; waits while a cycle of Bay's own is under way. */
export async function collect(tasks?: string[]): Promise<GcRun> {
  return waitFor(
    "a garbage collection",
    async () => {
      const answer = await bay.collect(tasks);
      return answer.status === 423 ? notYet("another one runs") : expectStatus(answer, 200);
    },
    { deadline: 120_000 },
  );
}

/** Waits until a sandbox's time to live, of a second or two, has passed. */
export async function untilExpired(sandbox: SandboxClient): Promise<void> {
  await waitFor(
    "expiry",
    async () => {
      const { status } = expectStatus(await sandbox.get(), 200);
      return status === "expired" || notYet(`status is ${status}`);
    },
    { deadline: 10_000 },
  );
}

/** Demands a refusal in Bay's envelope: status, code, a message, and the request id of the header. */
export function expectRefusal(answer: Answer<unknown>, status: number, code: string): ErrorEnvelope["error"] {
  const { error } = (answer.data ?? {}) as Partial<ErrorEnvelope>;
  expect({ call: answer.call, status: answer.status, code: error?.code }).toEqual({ call: answer.call, status, code });
  expect(error!.message).toMatch(/\S/);
  expect(error!.request_id).toMatch(/\S/);
  expect(error!.request_id).toBe(answer.headers["x-request-id"]);
  return error!;
}
