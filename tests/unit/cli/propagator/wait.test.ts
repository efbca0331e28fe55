import { PropagatorClient } from "../../../../cli/propagator/client";
import { ActionError, waitForCheckpoint, waitForRestore } from "../../../../cli/propagator/wait";
import { type Reply, Scripted } from "./server";

const ID = "0c9f2b6e-1d2a-4c55-8a3f-9b6d7e5f4a21";
/** A deadline that no test waits for, however busy the host is. */
const QUICK = { deadline: 60_000, interval: 1, longest: 2 };
const WELL_PAST = 61_000;

describe("Waiting for an action", () => {
  const server = new Scripted();
  let client: PropagatorClient;
  beforeAll(async () => {
    client = new PropagatorClient({ url: await server.start(), token: "t" });
  });
  beforeEach(() => {
    server.seen.length = 0;
  });
  afterAll(async () => {
    client.close();
    await server.stop();
  });
  const action = (fields: object): Reply => ({
    body: JSON.stringify([
      { action_id: "another", status: "error" },
      { action_id: ID, ...fields },
    ]),
  });
  /** Statuses one after another, the last for ever; and the list of actions. */
  const script = (statuses: Reply[], list: Reply) => {
    let at = 0;
    server.answer = ({ path }) =>
      path.startsWith("/v2/actions") ? list : statuses[Math.min(at++, statuses.length - 1)]!;
  };
  const status = (status: string, details: string | null = null): Reply => ({
    body: JSON.stringify({ status, details }),
  });
  /**
   * From its nth answer on the clock stands behind the deadline: what is asked is which answers came before it, not how
   * long they took.
   */
  const lateFrom = (answers: number) => {
    const real = Date.now.bind(Date);
    jest.spyOn(Date, "now").mockImplementation(() => real() + (server.seen.length >= answers ? WELL_PAST : 0));
  };
  afterEach(() => {
    jest.restoreAllMocks();
  });
  const failure = (wait: Promise<unknown>): Promise<ActionError> =>
    wait.then(
      () => {
        throw new Error("it ended well");
      },
      (error: ActionError) => error,
    );

  test("goes through the states of a checkpoint and gives its id", async () => {
    script(
      [status("initialized"), status("processing"), status("checkpoint_created"), status("ready")],
      action({ checkpoint_id: "the checkpoint" }),
    );
    expect(await waitForCheckpoint(client, ID, QUICK)).toBe("the checkpoint");
    expect(server.seen.map(({ path }) => path)).toEqual([
      ...Array<string>(4).fill(`/v2/checkpoint/status/${ID}`),
      "/v2/actions?type=checkpoint_pod",
    ]);
  });

  test("asks the list of actions in the same round when the status is not known", async () => {
    script([{ status: 404 }], action({ status: "completed", checkpoint_id: "c" }));
    expect(await waitForCheckpoint(client, ID, QUICK)).toBe("c");
    expect(server.seen.map(({ path }) => path)).toEqual([
      `/v2/checkpoint/status/${ID}`,
      "/v2/actions",
      "/v2/actions?type=checkpoint_pod",
    ]);
  });

  test("waits out states that it does not know, faults of gateways and broken connections", async () => {
    script(
      [
        status("not_found"),
        { status: 503, body: "upstream connect error" },
        "break off",
        status("surprise"),
        status("ready"),
      ],
      action({ checkpoint_id: "c" }),
    );
    expect(await waitForCheckpoint(client, ID, QUICK)).toBe("c");
  });

  test("ends at once when the checkpoint failed, with its reason", async () => {
    script([status("processing"), status("error", "the container has a terminal")], action({}));
    expect(await failure(waitForCheckpoint(client, ID, QUICK))).toMatchObject({
      end: "failed",
      lastState: "error",
      details: "the container has a terminal",
      message: `checkpoint ${ID} failed with state error: the container has a terminal`,
    });
  });

  test("ends at once when the token is refused", async () => {
    script([{ status: 401 }], action({}));
    await expect(waitForCheckpoint(client, ID, QUICK)).rejects.toMatchObject({ name: "PropagatorError", status: 401 });
  });

  test.each<[string, Reply[], RegExp]>([
    ["the last state", [status("processing")], /did not end within 60 s, its last state was processing$/],
    [
      "the last state and the fault after it",
      [status("processing"), { status: 502 }],
      /its last state was processing: .* answered 502: Bad Gateway$/,
    ],
  ])("names %s at the deadline", async (_what, statuses, message) => {
    script(statuses, action({}));
    lateFrom(statuses.length);
    const error = await failure(waitForCheckpoint(client, ID, QUICK));
    expect([error.end, error.message]).toEqual(["deadline", expect.stringMatching(message)]);
  });

  test("is no success when the action names no checkpoint", async () => {
    script([status("ready")], action({ status: "ready", checkpoint_id: null }));
    expect(await failure(waitForCheckpoint(client, ID, QUICK))).toMatchObject({ end: "failed" });
  });

  test.each(["success", "completed", "ready"])(
    "takes a restore for done in state %s, once it is listed",
    async (done) => {
      let at = 0;
      const replies = [{ body: "[]" }, action({ status: "processing" }), action({ status: done, node_name: "n" })];
      server.answer = () => replies[Math.min(at++, 2)]!;
      expect(await waitForRestore(client, ID, QUICK)).toMatchObject({ action_id: ID, node_name: "n" });
    },
  );

  test.each(["failed", "error"])("takes a restore for failed in state %s", async (state) => {
    script([], action({ status: state, details: { error: "restore_failed: no" } }));
    expect(await failure(waitForRestore(client, ID, QUICK))).toMatchObject({
      end: "failed",
      lastState: state,
      details: "restore_failed: no",
    });
  });

  test("says that a restore was never listed", async () => {
    script([], { body: "null" });
    lateFrom(2);
    expect(await failure(waitForRestore(client, ID, QUICK))).toMatchObject({
      end: "deadline",
      lastState: "not in the list of actions",
    });
  });

  test("ends when its signal fires", async () => {
    script([status("processing")], action({}));
    await expect(
      waitForCheckpoint(client, ID, {
        ...QUICK,
        interval: 60_000,
        longest: 60_000,
        deadline: 90_000,
        signal: AbortSignal.timeout(20),
      }),
    ).rejects.toMatchObject({ name: "AbortError" });
  });
});
