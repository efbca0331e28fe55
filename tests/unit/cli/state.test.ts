import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";

let folder: string;
let loaded: { state: typeof import("../../../cli/stack/state"); locks: typeof import("../../../cli/clean-up/locks") };
const { PULUMI_BACKEND_URL: backend } = process.env;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "bay-e2e-state-"));
  await jest.isolateModulesAsync(async () => {
    jest.doMock("../../../cli/paths", () => ({
      ROOT: folder,
      STATE: join(folder, ".state"),
      ARTIFACTS: join(folder, "artifacts"),
    }));
    loaded = { state: await import("../../../cli/stack/state"), locks: await import("../../../cli/clean-up/locks") };
  });
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
  if (backend === undefined) delete process.env["PULUMI_BACKEND_URL"];
  else process.env["PULUMI_BACKEND_URL"] = backend;
});

describe("the state", () => {
  test("is by default a folder of the checkout, with a passphrase that only its owner can read", () => {
    const env = loaded.state.stateEnvironment({ PULUMI_HOME: folder });
    expect(loaded.state.localBackend(env["PULUMI_BACKEND_URL"])).toBe(join(folder, ".state", "pulumi"));
    const file = env["PULUMI_CONFIG_PASSPHRASE_FILE"]!;
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readFileSync(file, "utf8")).toMatch(/^[\w-]{32}$/);
  });

  test("keeps its passphrase", () => {
    const read = () =>
      readFileSync(loaded.state.stateEnvironment({ PULUMI_HOME: folder })["PULUMI_CONFIG_PASSPHRASE_FILE"]!, "utf8");
    expect(read()).toBe(read());
  });

  test("is where the user's own backend is, and opened by the user's own passphrase", () => {
    const env = loaded.state.stateEnvironment({
      PULUMI_HOME: folder,
      PULUMI_BACKEND_URL: "s3://mine",
      PULUMI_CONFIG_PASSPHRASE: "",
    });
    expect(env).toEqual({ PULUMI_SKIP_UPDATE_CHECK: "true" });
    expect(existsSync(join(folder, ".state"))).toBe(false);
  });

  test("is where the user is logged in", () => {
    writeFileSync(join(folder, "credentials.json"), JSON.stringify({ current: "https://api.example" }));
    expect(loaded.state.stateEnvironment({ PULUMI_HOME: folder })).not.toHaveProperty("PULUMI_BACKEND_URL");
  });
});

describe("a lock of the local backend", () => {
  const lock = (facts: object): string => {
    const locks = join(folder, ".pulumi", "locks", "organization", "bay-e2e", "k3s");
    mkdirSync(locks, { recursive: true });
    const file = join(locks, "one.json");
    writeFileSync(`${file}.attrs`, "{}");
    writeFileSync(file, JSON.stringify({ username: "u", timestamp: "2026-01-01T00:00:00Z", ...facts }));
    process.env["PULUMI_BACKEND_URL"] = `file://${folder}`;
    loaded.locks.removeStaleLocks("k3s");
    return file;
  };

  test("whose owner is dead is removed, with what lies beside it", () => {
    const file = lock({ pid: 2 ** 22 + 1, hostname: hostname() });
    expect([existsSync(file), existsSync(`${file}.attrs`)]).toEqual([false, false]);
  });

  test("whose process id now belongs to something else is removed", () => {
    expect(existsSync(lock({ pid: 1, hostname: hostname() }))).toBe(false);
  });

  test("of another host stays, whoever has its process id here", () => {
    expect(existsSync(lock({ pid: 2 ** 22 + 1, hostname: `${hostname()}-other` }))).toBe(true);
  });
});
