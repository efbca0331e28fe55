import { factsOfAction, factsOfCheckpoint, type Filters, passes } from "../../../../cli/propagator/filters";
import { actionTable, checkpointTable, clusterTable } from "../../../../cli/propagator/format";

const NOW = Date.parse("2026-01-02T12:00:00Z");
const CHECKPOINT = {
  id: "c1",
  status: "ready",
  pod_name: "web-1",
  namespace: "demo",
  cluster_id: "k1",
  created_at: "2026-01-02T11:00:00.500Z",
  size: 11_000_000,
  freeze_microseconds: 61_234,
};

describe("A filter", () => {
  test.each<[Filters, boolean]>([
    [{}, true],
    [{ cluster: "k1" }, true],
    [{ cluster: "k2" }, false],
    [{ pod: "web" }, true],
    [{ pod: "db" }, false],
    [{ namespace: "demo" }, true],
    [{ namespace: "dem" }, false],
    [{ status: "ready" }, true],
    [{ status: "error" }, false],
    [{ olderThan: 1800 }, true],
    [{ olderThan: 7200 }, false],
    [{ youngerThan: 7200 }, true],
    [{ youngerThan: 1800 }, false],
    [{ pod: "web", status: "error" }, false],
  ])("%j lets the checkpoint through: %s", (filters, expected) => {
    expect(passes(factsOfCheckpoint(CHECKPOINT), filters, NOW)).toBe(expected);
  });

  test.each<[Filters]>([
    [{ pod: "" }],
    [{ namespace: "demo" }],
    [{ olderThan: 1 }],
    [{ youngerThan: 1e12 }],
    [{ cluster: "k1" }],
  ])("%j lets nothing through of which that is not known", (filters) => {
    expect(passes(factsOfCheckpoint({ id: "c", pod_name: null }), filters, NOW)).toBe(false);
  });

  test("knows an action's pod from what became of it, or from its request", () => {
    expect(factsOfAction({ action_id: "a", details: { pod: { name: "web", namespace: "demo" } } })).toEqual({
      pod: "web",
      namespace: "demo",
    });
    expect(
      factsOfAction({
        action_id: "a",
        details: { pod: { name: "web" }, restored_pod: { name: "web-restored", namespace: "demo" } },
      }),
    ).toEqual({ pod: "web-restored", namespace: "demo" });
    expect(factsOfAction({ action_id: "a", details: { pod_name: "web", namespace: "demo" }, status: "ready" })).toEqual(
      { pod: "web", namespace: "demo", status: "ready" },
    );
    expect(factsOfAction({ action_id: "a", details: "text" })).toEqual({});
  });
});

describe("A table", () => {
  test("of checkpoints has what is known, and N/A for gaps", () => {
    expect(checkpointTable([CHECKPOINT, { id: "c2", status: null }], Infinity).split("\n")).toEqual([
      "checkpoint  status  pod    namespace  size     stood still  created               cluster",
      "c1          ready   web-1  demo       11.0 MB  61 ms        2026-01-02 11:00:00Z  k1",
      "c2          N/A     N/A    N/A        N/A      N/A          N/A                   N/A",
    ]);
  });

  test("of actions has how long they took, and why they failed", () => {
    expect(
      actionTable(
        [
          {
            action_id: "a1",
            type: "checkpoint_pod",
            status: "ready",
            checkpoint_id: "c1",
            total_duration: 662_000_000,
            action_timestamp: "2026-01-02T11:00:00Z",
            details: { pod: { name: "web", namespace: "demo" } },
          },
          {
            action_id: "a2",
            type: "restore_pod",
            status: "error",
            total_duration: "12000000000",
            details: { error: "tty: no" },
          },
          { action_id: "a3" },
        ],
        Infinity,
      ).split("\n"),
    ).toEqual([
      "action  type        status  pod       took    started               checkpoint, or why it failed",
      "a1      checkpoint  ready   demo/web  0.66 s  2026-01-02 11:00:00Z  c1",
      "a2      restore     error   N/A       12 s    N/A                   tty: no",
      "a3      N/A         N/A     N/A       N/A     N/A                   N/A",
    ]);
  });

  test("of clusters, and of nothing", () => {
    expect(clusterTable([{ id: "k1", name: "mine", status: "active" }], Infinity)).toBe(
      "cluster  name  status\nk1       mine  active",
    );
    expect([checkpointTable([]), actionTable([]), clusterTable([])]).toEqual([
      "No checkpoints found.",
      "No actions found.",
      "No clusters found.",
    ]);
  });
});
