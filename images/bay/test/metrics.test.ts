import type { AddressInfo } from "node:net";
import { serveMetrics } from "../../common/src/metrics-server";
import { type Bay, startBay } from "./support/bay";

describe("Bay's metrics", () => {
  let bay: Bay;
  let url: string;
  let server: Awaited<ReturnType<typeof serveMetrics>>;
  beforeAll(async () => {
    bay = await startBay();
    server = await serveMetrics(bay.services.metrics.registry, "127.0.0.1", 0);
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(async () => {
    server.close();
    server.closeAllConnections();
    await bay.stop();
  });
  /** Values by name and labels, as Prometheus reads them. */
  const scrape = async (): Promise<Map<string, number>> => {
    const lines = (await (await fetch(`${url}/metrics`)).text())
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"));
    return new Map(
      lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ") + 1))]),
    );
  };

  test("count requests by their route, never by ids, and unknown paths as one", async () => {
    const id = await bay.sandbox();
    for (const path of [`/v1/sandboxes/${id}`, "/v1/sandboxes/sandbox-none", "/no/such/path", "/metrics"])
      await bay.call("GET", path);
    const values = await scrape();
    expect(values.get('bay_http_requests_total{route="/v1/sandboxes/:id",method="GET",status="200"}')).toBe(1);
    expect(values.get('bay_http_requests_total{route="/v1/sandboxes/:id",method="GET",status="404"}')).toBe(1);
    expect(values.get('bay_http_requests_total{route="unknown",method="GET",status="404"}')).toBe(2);
    expect(values.get('bay_http_request_duration_seconds_count{route="/v1/sandboxes/:id",method="GET"}')).toBe(2);
    expect([...values.keys()].join()).not.toContain(id);
  });

  test("tell how long starts took and how they ended, and how many sandboxes live in which state", async () => {
    const before = await scrape();
    const [ready, failed, expired] = [await bay.sandbox(), await bay.sandbox(), await bay.sandbox({ ttl: 5 })];
    await bay.python(ready, "1");
    bay.driver.failStarts = "image";
    await bay.python(failed, "1");
    bay.driver.failStarts = undefined;
    bay.services.context.store.updateSandbox(expired, { expiresAt: 1 });
    const after = await scrape();
    const grown = (name: string): number => (after.get(name) ?? 0) - (before.get(name) ?? 0);
    expect([
      grown('bay_sandbox_start_duration_seconds_count{outcome="running"}'),
      grown('bay_sandbox_start_duration_seconds_count{outcome="failed"}'),
    ]).toEqual([1, 1]);
    expect(
      ["idle", "starting", "ready", "failed", "expired"].map((status) => grown(`bay_sandboxes{status="${status}"}`)),
    ).toEqual([0, 0, 1, 1, 1]);
    await bay.call("POST", "/v1/admin/gc/run");
    expect((await scrape()).get('bay_gc_cleaned_total{task="expired_sandbox"}')).toBe(1);
    expect((await scrape()).get('bay_sandboxes{status="expired"}')).toBe(0);
  });

  test("are all that is on their port", async () => {
    expect(
      await Promise.all(["/", "/health", "/v1/sandboxes"].map(async (path) => (await fetch(url + path)).status)),
    ).toEqual([404, 404, 404]);
    expect((await fetch(`${url}/metrics`, { method: "POST" })).status).toBe(404);
  });
});
