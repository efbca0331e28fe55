import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { cached, cacheRoot, entryPath, leftovers, recipeHash, stampOf, withLock } from "./cache";

jest.setTimeout(60_000);

const entry = { name: "thing", version: "1", hash: "abc" };
let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "offline-cache-"));
});
afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

/** Runs a script in a process of its own that has the cache as `cache` and the folder as `root`. */
function inAnotherProcess(script: string) {
  const program = `const cache = require(${JSON.stringify(join(__dirname, "cache.ts"))}); const fs = require("node:fs"); const root = ${JSON.stringify(root)}; void (async () => { ${script} })();`;
  const child = spawn(process.execPath, ["--import", "tsx", "-e", program], {
    cwd: join(__dirname, ".."),
    stdio: ["ignore", "pipe", "inherit"],
  });
  const said = (word: string) =>
    new Promise<void>((resolve, reject) => {
      child.stdout.on("data", (data: Buffer) => {
        if (data.toString().includes(word)) resolve();
      });
      child.once("exit", () => {
        reject(new Error(`it ended without saying "${word}"`));
      });
    });
  const ended = new Promise<number | null>((resolve) => {
    child.once("exit", (code) => {
      resolve(code);
    });
  });
  return { child, said, ended };
}

describe("an entry of the cache", () => {
  it("is made once and then found", async () => {
    const build = jest.fn((folder: string) => {
      writeFileSync(join(folder, "file"), "x");
      return Promise.resolve();
    });
    const first = await cached(entry, build, root);
    expect(await cached(entry, build, root)).toBe(first);
    expect(readFileSync(join(first, "file"), "utf8")).toBe("x");
    expect(build).toHaveBeenCalledTimes(1);
  });

  it("is another one for another recipe", () => {
    expect(entryPath({ ...entry, hash: "abd" }, root)).not.toBe(entryPath(entry, root));
  });

  it("leaves nothing when its build fails", async () => {
    await expect(
      cached(
        entry,
        (folder) => {
          writeFileSync(join(folder, "half"), "");
          return Promise.reject(new Error("no"));
        },
        root,
      ),
    ).rejects.toThrow("no");
    expect(existsSync(entryPath(entry, root))).toBe(false);
    expect(leftovers("", root)).toEqual([]);
  });

  it("is not there when its build was killed, and the next build starts afresh at once", async () => {
    const other = inAnotherProcess(
      "await cache.cached({ name: 'thing', version: '1', hash: 'abc' }, async (folder) => { fs.writeFileSync(folder + '/half', ''); console.log('building'); await new Promise((resolve) => setTimeout(resolve, 1e6)); }, root);",
    );
    await other.said("building");
    other.child.kill("SIGKILL");
    await other.ended;
    expect(leftovers("thing", root)).toHaveLength(1);
    expect(existsSync(entryPath(entry, root))).toBe(false);
    const path = await cached(
      entry,
      (folder) => {
        writeFileSync(join(folder, "whole"), "");
        return Promise.resolve();
      },
      root,
    );
    expect(existsSync(join(path, "whole"))).toBe(true);
    expect(existsSync(join(path, "half"))).toBe(false);
    expect(leftovers("thing", root)).toEqual([]);
  });

  it("is built by one of two processes that want it at the same time", async () => {
    const script =
      "await cache.cached({ name: 'thing', version: '1', hash: 'abc' }, async (folder) => { fs.appendFileSync(root + '/builds', 'x'); fs.writeFileSync(folder + '/file', ''); await new Promise((resolve) => setTimeout(resolve, 300)); }, root); console.log(fs.existsSync(root + '/thing-1-abc/file'));";
    const processes = [inAnotherProcess(script), inAnotherProcess(script)];
    await Promise.all(processes.map((other) => other.said("true")));
    expect(await Promise.all(processes.map((other) => other.ended))).toEqual([0, 0]);
    expect(readFileSync(join(root, "builds"), "utf8")).toBe("x");
  });
});

describe("a lock", () => {
  it("lets one in at a time", async () => {
    let inside = 0;
    const work = async () => {
      expect(++inside).toBe(1);
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
      inside -= 1;
    };
    await Promise.all([withLock("a", work, root), withLock("a", work, root), withLock("a", work, root)]);
    expect(inside).toBe(0);
  });

  it("is free again when its owner was killed", async () => {
    const other = inAnotherProcess(
      "await cache.withLock('a', async () => { console.log('held'); await new Promise((resolve) => setTimeout(resolve, 1e6)); }, root);",
    );
    await other.said("held");
    other.child.kill("SIGKILL");
    await other.ended;
    await expect(withLock("a", () => Promise.resolve("mine"), root)).resolves.toBe("mine");
  });

  it("is free again when the work throws", async () => {
    await expect(withLock("a", () => Promise.reject(new Error("no")), root)).rejects.toThrow("no");
    await expect(withLock("a", () => Promise.resolve(1), root)).resolves.toBe(1);
  });
});

describe("a recipe's hash", () => {
  it("follows the files' content, wherever they are", () => {
    for (const name of ["one", "two"]) {
      mkdirSync(join(root, name, "sub"), { recursive: true });
      writeFileSync(join(root, name, "sub", "file"), "x");
    }
    const hashes = () => ["one", "two"].map((name) => recipeHash([join(root, name)]));
    expect(hashes()[0]).toBe(hashes()[1]);
    writeFileSync(join(root, "two", "sub", "file"), "y");
    expect(hashes()[0]).not.toBe(hashes()[1]);
  });

  it("does not mistake one text for two", () => {
    expect(recipeHash([], ["ab"])).not.toBe(recipeHash([], ["a", "b"]));
  });
});

it("a stamp shows a file that was touched, and one that is gone", () => {
  const file = join(root, "file");
  writeFileSync(file, "x");
  const before = stampOf([file]);
  expect(stampOf([file])).toBe(before);
  utimesSync(file, 1, 1);
  expect(stampOf([file])).not.toBe(before);
  rmSync(file);
  expect(stampOf([file])).toContain("missing");
});

it.each([
  [{ BAY_E2E_CACHE: "/a", XDG_CACHE_HOME: "/b" }, "/a"],
  [{ BAY_E2E_CACHE: "", XDG_CACHE_HOME: "/b" }, "/b/bay-e2e"],
  [{ BAY_E2E_CACHE: "", XDG_CACHE_HOME: "" }, join(homedir(), ".cache", "bay-e2e")],
])("the cache's folder for %j is %s", (env, wanted) => {
  const before = { ...process.env };
  try {
    Object.assign(process.env, env);
    expect(cacheRoot()).toBe(wanted);
  } finally {
    process.env = before;
  }
});
