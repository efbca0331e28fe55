import { createObject } from "./apply";
import type { Cluster } from "./cluster";

const OBJECT = { apiVersion: "v1", kind: "Pod", metadata: { name: "one" } };

/** A cluster that answers a creation with this promise. */
const answering = (answer: () => Promise<unknown>) =>
  ({
    config: {},
    use: () =>
      Promise.resolve({ client: { request: answer }, discovery: { collection: () => Promise.resolve("/pods") } }),
  }) as unknown as Cluster;

const create = (answer: () => Promise<unknown>, signal: AbortSignal) =>
  createObject(
    answering(answer),
    { object: OBJECT, dryRun: false, signal, fieldManager: "test", onWarning: () => undefined },
    () => undefined,
  );

test("a cancellation while the request is under way keeps the object that it creates", async () => {
  const cancel = new AbortController();
  const created = create(() => {
    cancel.abort();
    return new Promise((resolve) => {
      setImmediate(resolve, OBJECT);
    });
  }, cancel.signal);
  await expect(created).resolves.toEqual(OBJECT);
});

test("a cancellation while a refused request is under way ends the creation", async () => {
  const cancel = new AbortController();
  const created = create(() => {
    cancel.abort();
    return Promise.reject(new Error("refused"));
  }, cancel.signal);
  await expect(created).rejects.toThrow(/abort|refused/);
});
