import { choosePods } from "../../../cli/commands/logs";
import { containerLog, kubeletLog } from "../../../cli/logs/nodes";
import { logPath, type LoggedPod } from "../../../cli/logs/pods";
import { Lines, type LogOptions, type LogSource, readAll } from "../../../cli/logs/source";
import { lineCountOf, secondsOf } from "../../../cli/options/amounts";

const options: LogOptions = { follow: false, previous: false, tail: 10 };

describe("how much of a log", () => {
  test.each([
    ["90s", 90],
    ["10m", 600],
    ["2h", 7200],
    ["1d", 86_400],
  ])("%s is %d seconds", (text, seconds) => {
    expect(secondsOf(text)).toBe(seconds);
  });

  test.each(["", "10", "10x", "-5m", "0s", "1.5h", "m"])("%j is no time", (text) => {
    expect(() => secondsOf(text)).toThrow(/E_USAGE[\s\S]*--since/);
  });

  test.each(["0", "-1", "x", "1.5", ""])("%j is no number of lines", (text) => {
    expect(() => lineCountOf(text)).toThrow(/E_USAGE[\s\S]*--tail/);
  });
});

describe("the pods that a word means", () => {
  const pod = (name: string, labels?: Record<string, string>): LoggedPod => ({
    metadata: { name, ...(labels ? { labels } : {}) },
    spec: { containers: [{ name: "c" }] },
  });
  const pods = [
    pod("bay"),
    pod("session-1", { "bay.managed": "true" }),
    pod("other"),
    { ...pod("agent"), metadata: { name: "agent", namespace: "n-checkpoint" } },
  ];
  const names = (what: string) =>
    choosePods(what, pods, { pod: "bay", namespace: "n", checkpoint: { namespace: "n-checkpoint" } }).map(
      ({ metadata }) => metadata.name,
    );

  test.each([
    ["bay", ["bay"]],
    ["ship", ["session-1"]],
    ["propagator", ["agent"]],
    ["all", ["bay", "session-1", "other", "agent"]],
    ["node", []],
    ["other", ["other"]],
  ])("%s: %j", (what, found) => {
    expect(names(what)).toEqual(found);
  });

  test("are refused by a name that is near another one", () => {
    expect(() => names("sesion-1")).toThrow(/no pod sesion-1 in n[\s\S]*npm run logs -- session-1/);
  });
});

describe("the calls for a log", () => {
  test("tell the API server what is wanted", () => {
    expect(logPath("n", "p", "c", options)).toBe("/api/v1/namespaces/n/pods/p/log?container=c&tailLines=10");
    expect(logPath("n", "p", "c", { follow: true, previous: true, since: 60, tail: 5 })).toBe(
      "/api/v1/namespaces/n/pods/p/log?container=c&tailLines=5&follow=true&previous=true&sinceSeconds=60",
    );
  });

  test("tell Docker the same", () => {
    expect(containerLog("node", { ...options, since: 60, follow: true })).toEqual([
      "docker",
      "logs",
      "--tail",
      "10",
      "--since",
      "60s",
      "--follow",
      "node",
    ]);
  });

  test("read a kubelet from the journal or from its file", () => {
    expect(kubeletLog("node", "journal", { ...options, since: 60 }).at(-1)).toBe(
      "exec journalctl --unit kubelet --no-pager --output cat --lines 10 --since -60s",
    );
    expect(kubeletLog("node", "file", options).at(-1)).toBe("exec tail -n 10 /var/log/kubelet.log");
  });

  test("leave nothing behind in the node when a follower goes", () => {
    expect(kubeletLog("node", "file", { ...options, follow: true })).toEqual([
      "docker",
      "exec",
      "-i",
      "node",
      "sh",
      "-c",
      "tail -n 10 -F /var/log/kubelet.log & reader=$!; cat > /dev/null; kill $reader",
    ]);
  });

  test("say that a node has no previous run", () => {
    expect(() => containerLog("node", { ...options, previous: true })).toThrow("leave --previous out");
    expect(() => kubeletLog("node", "file", { ...options, previous: true })).toThrow("leave --previous out");
  });
});

describe("several logs", () => {
  const source = (name: string, lines: string[], error?: string): LogSource => ({
    name,
    read: (_, line) => {
      lines.forEach(line);
      return error === undefined ? Promise.resolve() : Promise.reject(new Error(error));
    },
  });
  const read = async (sources: LogSource[]) => {
    const [out, problems]: [string[], string[]] = [[], []];
    const failed = await readAll(
      sources,
      options,
      { line: (text) => out.push(text), problem: (text) => problems.push(text) },
      new AbortController().signal,
    );
    return { out, problems, failed };
  };

  test("have their names before each line, one alone has not", async () => {
    expect((await read([source("a", ["1", "2"]), source("long", ["3"])])).out).toEqual([
      "a    | 1",
      "a    | 2",
      "long | 3",
    ]);
    expect((await read([source("a", ["1"])])).out).toEqual(["1"]);
  });

  test("are all read when one has none", async () => {
    expect(await read([source("a", [], "no previous run"), source("b", ["1"])])).toEqual({
      out: ["b | 1"],
      problems: ["a: no previous run"],
      failed: 1,
    });
  });

  test("are cut into lines wherever the chunks end, within a character too", () => {
    const found: string[] = [];
    const lines = new Lines((text) => found.push(text));
    const bytes = Buffer.from("one\r\ntwö\nend");
    for (const byte of bytes) lines.add(Uint8Array.of(byte));
    lines.end();
    expect(found).toEqual(["one", "twö", "end"]);
  });
});
