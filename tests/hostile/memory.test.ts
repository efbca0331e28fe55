import type { Answer } from "../support/bay-client";
import { expectStatus, type SandboxClient } from "../support/bay-client";
import { bay, cluster, newSandbox, perFile, stack } from "../support/suite";

const mine = perFile();
const MIB = 1024 * 1024;
const text = (mib: number): string => "x".repeat(mib * MIB);

/** How often Bay's container was started again, and of which pod. */
async function life(): Promise<{ uid: string | undefined; restarts: number | undefined }> {
  const pod = await cluster.kube.pod(stack.namespace, stack.pod);
  return { uid: pod?.metadata?.uid, restarts: pod?.status?.containerStatuses?.[0]?.restartCount };
}

describe("Bay's memory", () => {
  let attacker: SandboxClient;
  let other: SandboxClient;
  let born: Awaited<ReturnType<typeof life>>;
  const times: number[] = [];

  beforeAll(async () => {
    born = await life();
    [attacker, other] = await Promise.all([newSandbox(mine), newSandbox(mine)]);
    for (const each of [attacker, other]) expectStatus(await each.python("1"), 200);
  });
  afterAll(() => {
    times.sort((a, b) => a - b);
    const at = (share: number): string => `${Math.round(times[Math.floor((times.length - 1) * share)] ?? 0)} ms`;
    console.log(
      `calls of others beside the attacks: ${times.length}, median ${at(0.5)}, p99 ${at(0.99)}, longest ${at(1)}`,
    );
  });

  /**
   * Attacks at once: every call of others beside them succeeds, each attack is answered by name, and Bay's container is
   * the same.
   */
  const survives = async (
    attacks: (() => Promise<Answer<unknown>>)[],
    statuses: number[],
  ): Promise<Answer<unknown>[]> => {
    let busy = true;
    const others = (async () => {
      for (let calls = 0; busy || calls < 5; calls += 1) {
        const began = performance.now();
        expectStatus(await other.python("6 * 7"), 200);
        times.push(performance.now() - began);
        expectStatus(await bay.listSandboxes({ limit: 1 }), 200);
      }
    })();
    const answers = await Promise.all(attacks.map((attack) => attack())).finally(() => {
      busy = false;
    });
    await others;
    for (const { call, status } of answers)
      expect({ call, status: statuses.includes(status) ? "expected" : status }).toEqual({ call, status: "expected" });
    expect(await life()).toEqual(born);
    return answers;
  };
  const raw = (method: string, path: string, body: string) => () =>
    bay.call(method, `/v1/sandboxes/${attacker.id}/${path}`, {
      data: Buffer.from(body),
      headers: { "content-type": "application/json" },
      timeout: 60_000,
    });

  it("stands bodies that are small as bytes and large as values", async () => {
    const lists = `{"path":"x","content":"y","z":[${"[],".repeat(20 * MIB)}[]]}`;
    const answers = await survives([raw("PUT", "filesystem/files", lists)], [413, 429]);
    expect(answers[0]).toMatchObject({
      data: { error: { code: expect.stringMatching(/payload_too_large|quota_exceeded/) } },
    });
    await survives([raw("PUT", "filesystem/files", "[".repeat(30 * MIB))], [422, 429]);
  });

  it("stands four files of 60 MB that are written at once, and as many reads of one", async () => {
    const file = `{"path":"large.txt","content":"${text(60)}"}`;
    const written = await survives(
      Array.from({ length: 4 }, () => raw("PUT", "filesystem/files", file)),
      [200, 429],
    );
    expect(written.some(({ status }) => status === 200)).toBe(true);
    expectStatus(await attacker.shell("truncate -s 62914560 read.txt && tr '\\0' x < read.txt > large.txt"), 200);
    const read = await survives(
      Array.from({ length: 4 }, () => () => attacker.readFile("large.txt")),
      [200, 429],
    );
    expect(
      read.some(({ status, data }) => status === 200 && (data as { content: string }).content.length === 60 * MIB),
    ).toBe(true);
  });

  it("stands a history of large outputs and large notes", async () => {
    for (let n = 0; n < 12; n += 1) expectStatus(await attacker.python("print('x' * (1 << 20))"), 200);
    const { execution_id } = expectStatus(await attacker.python("1"), 200);
    const notes = await survives(
      [
        () => attacker.annotate(execution_id, { notes: text(50) }),
        () => attacker.annotate(execution_id, { notes: text(1) }),
      ],
      [413, 422, 429],
    );
    expect(notes[1]!.status).toBe(422);
    const pages = await survives(
      Array.from({ length: 12 }, () => () => attacker.history({ limit: 500 })),
      [200, 429],
    );
    const page = pages.find(({ status }) => status === 200)!.data as { entries: unknown[]; total: number };
    expect([page.entries.length < page.total, page.total >= 13]).toEqual([true, true]);
  });

  it("stands outputs of every kind at once", async () => {
    await survives(
      ["'x' * (8 << 20)", "'\\\\0' * (8 << 20)", "'ü😀' * (1 << 20)", "'\\\\' * (8 << 20)"].map(
        (what) => () => attacker.python(`print(${what})`, { timeout: 60 }),
      ),
      [200, 429],
    );
  });

  it("takes no value that breaks the lists of others", async () => {
    for (const ttl of [1e300, Number.MAX_SAFE_INTEGER]) {
      const made = expectStatus(await bay.createSandbox({ ttl }), 201);
      expect(made.expires_at).toBe("9999-12-31T23:59:59");
      expectStatus(await bay.listSandboxes({ limit: 200 }), 200);
      expectStatus(await bay.sandbox(made.id).delete(), 204);
    }
  });

  it("trusts no runtime: code that stands in for Ship is told apart", async () => {
    const taken = await newSandbox(mine);
    expectStatus(await taken.python("1"), 200);
    // Ship runs with the user's own rights: it is ended, and the user's server takes its port.
    const server = [
      "import http.server, json",
      "class Liar(http.server.BaseHTTPRequestHandler):",
      "    def answer(self):",
      "        said = {'/health': {'status': 'healthy'}, '/meta': {'runtime': {}, 'capabilities': {'python': {}, 'shell': {}, 'filesystem': {}}}}.get(self.path)",
      "        said = said or {'success': True, 'execution_count': None, 'output': {'text': '', 'images': []}, 'error': {'length': []}}",
      "        body = json.dumps(said).encode()",
      "        self.send_response(200); self.send_header('content-length', str(len(body))); self.end_headers(); self.wfile.write(body)",
      "    do_GET = do_POST = answer",
      "http.server.HTTPServer(('0.0.0.0', 8123), Liar).serve_forever()",
    ].join("\n");
    expectStatus(await taken.writeFile("liar.py", server), 200);
    const before = expectStatus(await other.history({ limit: 1 }), 200).total;
    const takeover = "(pkill -KILL -f server.js; until python3 liar.py; do :; done) >/dev/null 2>&1 & disown; true";
    await taken.shell(`setsid bash -c "${takeover}"`).catch(() => undefined);
    const told = await taken.python("1", { timeout: 10 });
    // Where the container ended with Ship, Bay made another; where the liar took over, its answer is refused.
    if (told.status !== 200) expect(told).toMatchObject({ status: 502, data: { error: { code: "ship_error" } } });
    expect(expectStatus(await other.history({ limit: 1 }), 200).total).toBe(before);
    expect(await life()).toEqual(born);
  });
});
