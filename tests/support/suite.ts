import { BayClient, type Answer, type CallOptions, expectStatus, SandboxClient } from "./bay-client";
import type { ErrorEnvelope, Sandbox } from "./bay-types";
import { Cluster } from "./cluster";
import { outside } from "./outside";
import { Scope } from "./scope";
import { readSession } from "./session";

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
  beforeEach(() => { scope = new Scope(); });
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
export async function newSandbox(owner: Owner, body: { profile?: string; ttl?: number } = {}, options: CallOptions = {}): Promise<SandboxClient & { created: Sandbox }> {
  const created = expectStatus(await bay.createSandbox(body, options), 201);
  return Object.assign(owned(owner, created.id), { created });
}

/** A client of a sandbox that was made in another way; its owner deletes it. Deleting one twice is no error. */
export function owned(owner: Owner, id: string): SandboxClient {
  const sandbox = bay.sandbox(id);
  owner.add(`sandbox ${id}`, async () => expectStatus(await sandbox.delete(), 204));
  return sandbox;
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
