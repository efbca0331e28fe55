/** Times of one kind of call, in milliseconds. */
export interface Figures {
  calls: number;
  p50: number;
  p95: number;
}

export interface BenchOptions {
  /** Base URL of a Bay, e.g. that of a port-forward. */
  url: string;
  key: string;
  /** Sandboxes to create one after another; each is deleted at the end. */
  creates?: number;
  /** Calls of one warm sandbox. */
  warm?: number;
  /** Sandboxes whose first call is timed, one after another. */
  cold?: number;
  /** Sandboxes that are started at once. */
  together?: number;
}

/** Times what clients wait for: create, the first call of a sandbox, later calls, and many first calls at once. */
export async function benchCalls({ url, key, creates = 200, warm = 200, cold = 5, together = 20 }: BenchOptions): Promise<Record<string, Figures>> {
  const made: string[] = [];
  const call = async (method: string, path: string, body?: object): Promise<Record<string, unknown>> => {
    const response = await fetch(`${url}${path}`, {
      method, headers: { authorization: `Bearer ${key}`, ...(body ? { "content-type": "application/json" } : {}) }, ...(body ? { body: JSON.stringify(body) } : {}),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${text}`);
    return text === "" ? {} : JSON.parse(text) as Record<string, unknown>;
  };
  const create = async (): Promise<void> => { made.push(String((await call("POST", "/v1/sandboxes", {}))["id"])); };
  const python = async (id: string): Promise<void> => { await call("POST", `/v1/sandboxes/${id}/python/exec`, { code: "1 + 1" }); };
  const figures: Record<string, Figures> = {};
  try {
    figures["create a sandbox"] = await timed(creates, create);
    const rest = [...made];
    const next = (): string => rest.pop()!;
    figures["first python/exec of a sandbox"] = await timed(cold, () => python(next()));
    figures["warm python/exec"] = await timed(warm, () => python(made.at(-1)!));
    figures["warm shell/exec"] = await timed(warm, async () => { await call("POST", `/v1/sandboxes/${made.at(-1)!}/shell/exec`, { command: "true" }); });
    const began = performance.now();
    const firsts = await Promise.all(Array.from({ length: together }, next).map(async (id) => { await python(id); return performance.now() - began; }));
    figures[`first python/exec, ${together} at once`] = summary(firsts);
  } finally {
    for (const id of made) await call("DELETE", `/v1/sandboxes/${id}`);
  }
  return figures;
}

async function timed(count: number, work: () => Promise<void>): Promise<Figures> {
  const times: number[] = [];
  for (let n = 0; n < count; n += 1) {
    const began = performance.now();
    await work();
    times.push(performance.now() - began);
  }
  return summary(times);
}

function summary(times: number[]): Figures {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (share: number): number => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]! * 10) / 10;
  return { calls: sorted.length, p50: at(0.5), p95: at(0.95) };
}

/** By hand: `BAY_URL=http://127.0.0.1:8003 BAY_API_KEY=… npx tsx images/bay/bench/calls.ts` */
async function main(): Promise<void> {
  const { BAY_URL: url, BAY_API_KEY: key } = process.env;
  if (!url || !key) throw new Error("wanted BAY_URL and BAY_API_KEY in the environment");
  for (const [what, { calls, p50, p95 }] of Object.entries(await benchCalls({ url, key }))) console.log(`${what}: p50 ${p50} ms, p95 ${p95} ms of ${calls}`);
}

if (require.main === module) void main();
