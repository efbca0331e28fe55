import type { AddressInfo } from "node:net";
import { pino } from "pino";
import { profilesOf } from "../../src/config/profiles";
import { configSchema } from "../../src/config/schema";
import { Auth } from "../../src/http/auth";
import { buildBay } from "../../src/http/app";
import { makeServices } from "../../src/services/services";
import { MemoryStore } from "../../src/store/memory";
import { ShipDriver } from "./ship-driver";

export const KEY = "test-key";

/* eslint-disable @typescript-eslint/no-explicit-any -- tests read answers freely */
export interface Answer { status: number; body: any; headers: Headers }

const CONFIG = {
  driver: { type: "k8s" },
  security: { allow_anonymous: false },
  gc: { enabled: false, orphan_container: { enabled: true } },
  server: { max_json_bytes: 200_000, max_upload_bytes: 5_000_000 },
  profiles: [
    { id: "python-default", image: "ship", capabilities: ["python", "shell", "filesystem"], env: { FROM_PROFILE: "profile value" } },
    { id: "python-only-test", image: "ship", capabilities: ["python"] },
    { id: "lies", image: "ship", capabilities: ["browser"] },
    { id: "two", description: "two containers", containers: [{ name: "ship", image: "ship" }, { name: "helper", image: "gull", runtime_type: "gull", capabilities: ["browser"] }] },
  ],
};

/** Bay on a free port, over a driver of local Ship processes. */
export async function startBay(changes: object = {}) {
  const driver = new ShipDriver();
  const config = configSchema.parse({ ...CONFIG, ...changes });
  const log = pino({ level: "silent" });
  const services = makeServices({ config, profiles: profilesOf(config), store: new MemoryStore(), driver, log }, "test");
  const app = await buildBay(services, new Auth([KEY], config.security.allow_anonymous), log);
  await app.listen({ port: 0, host: "127.0.0.1" });
  const url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;

  const call = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> => {
    const raw = typeof body === "string" || body instanceof FormData || body instanceof Uint8Array;
    const response = await fetch(url + path, {
      method, redirect: "manual",
      headers: { authorization: `Bearer ${KEY}`, ...(body !== undefined && !(body instanceof FormData) ? { "content-type": "application/json" } : {}), ...headers },
      ...(body === undefined ? {} : { body: raw ? body as string : JSON.stringify(body) }),
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
  const python = (id: string, code: string, more: object = {}): Promise<Answer> => call("POST", `/v1/sandboxes/${id}/python/exec`, { code, ...more });
  const shell = (id: string, command: string, more: object = {}): Promise<Answer> => call("POST", `/v1/sandboxes/${id}/shell/exec`, { command, ...more });
  const stop = async (): Promise<void> => { await app.close(); await driver.end(); };
  return { url, driver, services, call, sandbox, python, shell, stop };
}
export type Bay = Awaited<ReturnType<typeof startBay>>;

/** Waits for something that this test has set going. @throws Error naming it after ten seconds */
export async function until(what: string, done: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await done())) {
    if (Date.now() > deadline) throw new Error(`after 10 s it is still not so: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
