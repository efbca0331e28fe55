import { expectStatus } from "../../support/bay-client";
import type { SchemaProblems } from "../../support/bay-types";
import { uniqueName } from "../../support/names";
import { bay, expectRefusal } from "../../support/suite";

const unknown = bay.sandbox("sandbox-000000000000");

describe("an unknown sandbox @core", () => {
  it.each([
    ["get", () => unknown.get()],
    ["stop", () => unknown.stop()],
    ["delete", () => unknown.delete()],
    ["keepalive", () => unknown.keepalive()],
    ["python/exec", () => unknown.python("1")],
    ["shell/exec", () => unknown.shell("true")],
    ["reading a file", () => unknown.readFile("a")],
    ["writing a file", () => unknown.writeFile("a", "")],
    ["deleting a file", () => unknown.deleteFile("a")],
    ["listing", () => unknown.list()],
    ["upload", () => unknown.upload("a", Buffer.from("x"))],
    ["download", () => unknown.download("a")],
    ["extend_ttl", () => unknown.extendTtl(60)],
  ])("is refused by %s with 404 not_found", async (_, call) => {
    expectRefusal(await call(), 404, "not_found");
  });
});

describe("a request that Bay cannot take @core", () => {
  it("is refused with 400 validation_error for an unknown profile, and nothing is made", async () => {
    const error = expectRefusal(await bay.createSandbox({ profile: "no-such-profile" }), 400, "validation_error");
    expect(error.message).toContain("no-such-profile");
  });

  it("is refused with 404 not_found for an unknown cargo", async () => {
    expectRefusal(await bay.createSandbox({ cargo_id: "ws-000000000000" }), 404, "not_found");
  });

  it.each([
    ["no body at all", undefined, ["body"]],
    ["a profile that is no text", { profile: 7 }, ["body", "profile"]],
    ["a time to live that is no number", { ttl: "soon" }, ["body", "ttl"]],
    ["half a second", { ttl: 1.5 }, ["body", "ttl"]],
  ])("names the place of %s with 422", async (_, data, loc) => {
    const { detail } = expectStatus(await bay.call<SchemaProblems>("POST", "/v1/sandboxes", { data }), 422);
    expect(detail[0]).toMatchObject({ type: expect.any(String), msg: expect.any(String), loc });
  });

  it("is refused with 422 json_invalid for broken JSON, even without a key", async () => {
    const answer = await bay.call<SchemaProblems>("POST", "/v1/sandboxes", {
      data: Buffer.from("{broken"),
      headers: { "Content-Type": "application/json", Authorization: "" },
    });
    expect(expectStatus(answer, 422).detail[0]).toMatchObject({ type: "json_invalid" });
  });

  it("is refused with 404 for an unknown route and with 405 and Allow for a wrong method", async () => {
    expect(expectStatus(await bay.call("GET", "/v1/no-such-route"), 404)).toEqual({ detail: expect.any(String) });
    const answer = await bay.call("PUT", "/v1/sandboxes");
    expect(expectStatus(answer, 405)).toEqual({ detail: expect.any(String) });
    expect(answer.headers["allow"]).toMatch(/GET|POST/);
  });

  it("carries the caller's request id back, in the header and in the envelope", async () => {
    const id = uniqueName("request");
    const answer = await bay.call("GET", "/v1/sandboxes/sandbox-000000000000", { headers: { "X-Request-Id": id } });
    expect(answer.headers["x-request-id"]).toBe(id);
    expect(expectRefusal(answer, 404, "not_found").request_id).toBe(id);
  });

  it("names what a list cannot be limited to with 422", async () => {
    for (const limit of [0, 201]) expectStatus(await bay.listSandboxes({ limit }), 422);
  });
});
