import { expectStatus } from "../../support/bay-client";
import {
  bay,
  cluster,
  collect,
  expectRefusal,
  newCargo,
  newSandbox,
  perTest,
  stack,
  untilExpired,
} from "../../support/suite";
import { notYet, waitFor } from "../../support/wait";

const mine = perTest();
const task = (name: string, { results }: Awaited<ReturnType<typeof collect>>) =>
  results.find(({ task_name }) => task_name === name);
const passed = (time: string | null): boolean => time !== null && Date.parse(`${time}Z`) < Date.now();

// Serial: a collection takes whatever is idle or expired, of every test.
describe("the collection of idle sessions @gc @serial", () => {
  it("IGC-1 ends a session whose idle time has passed, and a new call finds the files @slow", async () => {
    const sandbox = await newSandbox(mine, { profile: "short-idle-test" });
    expectStatus(await sandbox.python("open('kept.txt', 'w').write('kept'); lost = 1"), 200);
    await waitFor(
      "the idle time to pass",
      async () => {
        const { idle_expires_at } = expectStatus(await sandbox.get(), 200);
        return passed(idle_expires_at) || notYet(`it is idle at ${idle_expires_at}`);
      },
      { deadline: 15_000 },
    );
    const run = await collect();
    expect([run.total_errors, task("idle_session", run)!.cleaned_count >= 1]).toEqual([0, true]);
    expect(expectStatus(await sandbox.get(), 200)).toMatchObject({ status: "idle", idle_expires_at: null });
    await cluster.podsGone(sandbox.id);
    expect(expectStatus(await sandbox.python("print(open('kept.txt').read())"), 200)).toMatchObject({
      success: true,
      output: "kept",
    });
  });

  it("leaves a session that is used or kept alive @slow", async () => {
    const [used, kept] = await Promise.all([newSandbox(mine), newSandbox(mine, { profile: "short-idle-test" })]);
    await Promise.all([used, kept].map(async (sandbox) => expectStatus(await sandbox.python("alive = 1"), 200)));
    expectStatus(await kept.keepalive(), 200);
    await collect();
    for (const sandbox of [used, kept]) expect(expectStatus(await sandbox.python("alive"), 200).output).toBe("1");
  });

  it("does not end a call that takes longer than the idle time @reference @slow", async () => {
    const { idleTimeout } = stack.profiles.find(({ id }) => id === "short-idle-test")!;
    const sandbox = await newSandbox(mine, { profile: "short-idle-test" });
    const call = sandbox.python(`import time\ntime.sleep(${idleTimeout + 2})\nprint('to the end')`);
    await waitFor(
      "the idle time to pass under the call",
      async () => {
        const { idle_expires_at } = expectStatus(await sandbox.get(), 200);
        return passed(idle_expires_at) || notYet(`it is idle at ${idle_expires_at}`);
      },
      { deadline: 30_000 },
    );
    expect((await collect()).total_errors).toBe(0);
    expect(expectStatus(await call, 200)).toMatchObject({ success: true, output: "to the end" });
  });

  it("RACE-2 between a write and a read loses no file @slow", async () => {
    const sandbox = await newSandbox(mine, { profile: "short-idle-test" });
    expectStatus(await sandbox.writeFile("between.txt", "still here"), 200);
    const [run, read] = await Promise.all([collect(["idle_session"]), sandbox.readFile("between.txt")]);
    expect(run.total_errors).toBe(0);
    // The collection may take the pod from under the call: then the call fails by name and the next one works.
    if (read.status !== 200) expect([502, 503]).toContain(read.status);
    expect(expectStatus(await sandbox.readFile("between.txt"), 200).content).toBe("still here");
  });
});

describe("the collection of expired sandboxes @gc @serial", () => {
  it("removes a sandbox whose time has passed, with its pod and its volume @slow", async () => {
    const sandbox = await newSandbox(mine, { ttl: 1 });
    expectStatus(await sandbox.python("1"), 200);
    await untilExpired(sandbox);
    expect((await collect(["expired_sandbox"])).total_errors).toBe(0);
    expectRefusal(await sandbox.get(), 404, "not_found");
    await cluster.podsGone(sandbox.id);
    await cluster.claimGone(sandbox.created.cargo_id);
  });

  it("RACE-1 against a call ends in a sandbox that is gone, or one in a lawful state @slow", async () => {
    const sandbox = await newSandbox(mine, { ttl: 2 });
    expectStatus(await sandbox.python("1"), 200);
    await untilExpired(sandbox);
    const [run, call] = await Promise.all([collect(), sandbox.python("print('late')")]);
    expect(run.total_errors).toBe(0);
    expect([200, 404, 502, 503]).toContain(call.status);
    const after = await sandbox.get();
    if (after.status === 404) await cluster.podsGone(sandbox.id);
    else expect(["idle", "starting", "ready", "failed", "expired"]).toContain(expectStatus(after, 200).status);
  });

  it("lets an extension win that came before it", async () => {
    const sandbox = await newSandbox(mine, { ttl: 2 });
    expectStatus(await sandbox.extendTtl(600), 200);
    await waitFor("the first time to pass", () => passed(sandbox.created.expires_at) || notYet("it has not passed"), {
      deadline: 10_000,
    });
    await collect();
    expect(expectStatus(await sandbox.get(), 200).status).toBe("idle");
  });
});

describe("the collection of cargos without owner @gc @serial", () => {
  it("CGC-1, CGC-3 runs without an error right after a deletion", async () => {
    const sandbox = await newSandbox(mine);
    expectStatus(await sandbox.shell("true"), 200);
    expectStatus(await sandbox.delete(), 204);
    const run = await collect(["orphan_cargo"]);
    expect(run.results.map(({ task_name }) => task_name)).toEqual(["orphan_cargo"]);
    expect(run.total_errors).toBe(0);
    await cluster.claimGone(sandbox.created.cargo_id);
  });

  it("CGC-2 leaves an external cargo that is in use, which still cannot be deleted", async () => {
    const cargo = await newCargo(mine);
    const sandbox = await newSandbox(mine, { cargo_id: cargo.id });
    await collect();
    expect(expectStatus(await bay.getCargo(cargo.id), 200).id).toBe(cargo.id);
    expect(expectRefusal(await bay.deleteCargo(cargo.id), 409, "conflict").details).toMatchObject({
      active_sandbox_ids: [sandbox.id],
    });
  });
});

describe("the collector @gc @serial", () => {
  it("tells what it is set to do", async () => {
    const status = expectStatus(await bay.call("GET", "/v1/admin/gc/status"), 200);
    expect(status).toMatchObject({
      enabled: false,
      is_running: false,
      instance_id: "bay-k8s-e2e",
      tasks: { idle_session: { enabled: true }, orphan_container: { enabled: true } },
    });
  });

  it("removes a session pod that nobody knows, and only its own @slow", async () => {
    const sandbox = await newSandbox(mine);
    expectStatus(await sandbox.shell("true"), 200);
    const model = await cluster.sessionPod(sandbox.id);
    const stray = (name: string, labels: Record<string, string>) =>
      cluster.kube.createPod(stack.namespace, {
        metadata: { name, labels: { ...model.metadata!.labels, "bay.sandbox_id": name, ...labels } },
        spec: {
          restartPolicy: "Never",
          automountServiceAccountToken: false,
          terminationGracePeriodSeconds: 0,
          securityContext: model.spec!.securityContext!,
          containers: [{ ...model.spec!.containers[0]!, volumeMounts: [] }],
        },
      });
    const [own, foreign] = ["sess-0000000000aa", "sess-0000000000bb"];
    for (const name of [own, foreign])
      mine.add(`pod bay-session-${name}`, () => cluster.kube.deletePod(stack.namespace, `bay-session-${name}`, 0));
    await stray(`bay-session-${own}`, { "bay.session_id": own! });
    await stray(`bay-session-${foreign}`, { "bay.session_id": foreign!, "bay.instance_id": "another-bay" });
    expect((await collect(["orphan_container"])).total_errors).toBe(0);
    await waitFor(
      "removal of the stray pod",
      async () =>
        (await cluster.kube.pod(stack.namespace, `bay-session-${own}`)) === undefined || notYet("it is still there"),
      { deadline: 30_000 },
    );
    expect(await cluster.kube.pod(stack.namespace, `bay-session-${foreign}`)).toBeDefined();
    expect(expectStatus(await sandbox.shell("echo here"), 200).output).toBe("here");
  });
});
