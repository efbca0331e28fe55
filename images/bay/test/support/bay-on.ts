import path from "node:path";
import { pino } from "pino";
import { openStore, runBay } from "../../src/bay";
import { configSchema } from "../../src/config/schema";
import type { Driver } from "../../src/driver/driver";

/** A driver that keeps Bay's records in its folder. */
export type TestDriver = Driver & { folder: string; end(): Promise<void> };

export const KEY = "test-key";

/* eslint-disable @typescript-eslint/no-explicit-any -- tests read answers freely */
export interface Answer {
  status: number;
  body: any;
  headers: Headers;
}

const CONFIG = {
  driver: { type: "k8s" },
  security: { allow_anonymous: false },
  gc: { enabled: false, orphan_container: { enabled: true } },
  server: { max_json_bytes: 200_000, max_upload_bytes: 5_000_000 },
  profiles: [
    {
      id: "python-default",
      image: "ship",
      capabilities: ["python", "shell", "filesystem"],
      env: { FROM_PROFILE: "profile value" },
    },
    { id: "python-only-test", image: "ship", capabilities: ["python"] },
    { id: "lies", image: "ship", capabilities: ["browser"] },
    {
      id: "two",
      description: "two containers",
      containers: [
        { name: "ship", image: "ship" },
        { name: "helper", image: "gull", runtime_type: "gull", capabilities: ["browser"] },
      ],
    },
  ],
};

/**
 * Bay on free ports, with its records in a file, over a driver of a test.
 * @param driver One whose pods and folder an earlier Bay left: this one finds its records there.
 * @param more Variables beside the key of the API.
 */
export async function startBayOn<D extends TestDriver>(changes: object, driver: D, more: Record<string, string> = {}) {
  const config = configSchema.parse({ ...CONFIG, ...changes });
  // The schema refuses the port 0, by which the operating system chooses.
  Object.assign(config.server, { host: "127.0.0.1", port: 0, metrics_port: 0 });
  Object.assign(config.database, { url: `sqlite:///${path.join(driver.folder, "bay.db")}` });
  const logged: Record<string, unknown>[] = [];
  const log = pino(
    { level: "info" },
    {
      write: (line) => {
        logged.push(JSON.parse(line) as Record<string, unknown>);
      },
    },
  );
  const env = { BAY_API_KEY: KEY, ...more };
  const { services, url, close } = await runBay({
    config,
    store: openStore(config, env),
    driver,
    instanceId: "test",
    log,
    env,
  });

  const call = async (
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer> => {
    const raw = typeof body === "string" || body instanceof FormData || body instanceof Uint8Array;
    const response = await fetch(url + path, {
      method,
      redirect: "manual",
      headers: {
        authorization: `Bearer ${KEY}`,
        ...(body !== undefined && !(body instanceof FormData) ? { "content-type": "application/json" } : {}),
        ...headers,
      },
      ...(body === undefined ? {} : { body: raw ? (body as string) : JSON.stringify(body) }),
    });
    const type = response.headers.get("content-type") ?? "";
    const content = type.includes("json") ? await response.json() : Buffer.from(await response.arrayBuffer());
    return { status: response.status, body: content, headers: response.headers };
  };
  const sandbox = async (body: object = {}): Promise<string> => {
    const answer = await call("POST", "/v1/sandboxes", body);
    if (answer.status !== 201) throw new Error(`create answered ${answer.status}: ${JSON.stringify(answer.body)}`);
    return answer.body.id as string;
  };
  const python = (id: string, code: string, more: object = {}): Promise<Answer> =>
    call("POST", `/v1/sandboxes/${id}/python/exec`, { code, ...more });
  const shell = (id: string, command: string, more: object = {}): Promise<Answer> =>
    call("POST", `/v1/sandboxes/${id}/shell/exec`, { command, ...more });
  const stop = async (): Promise<void> => {
    await close(10_000);
    await driver.end();
  };
  return { url, driver, services, logged, call, sandbox, python, shell, close, stop };
}
export type BayOn<D extends TestDriver> = Awaited<ReturnType<typeof startBayOn<D>>>;

/** Waits for something that this test has set going. @throws Error naming it after thirty seconds */
export async function until(what: string, done: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!(await done())) {
    if (Date.now() > deadline) throw new Error(`after 30 s it is still not so: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
