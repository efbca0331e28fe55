import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { resolve } from "node:path";

const MODULE = resolve(__dirname, "..");
/** How long hostile archives are made up, in Go's words; the sound ones of the corpus come first. */
const FUZZING = "5s";

/** Runs Go in the module; what it says stands in the failure. */
function go(program: string, ...words: string[]): { status: number | null; said: string } {
  const { status, stdout, stderr } = spawnSync(program, words, {
    cwd: MODULE,
    encoding: "utf8",
    env: { ...process.env, GOFLAGS: "-mod=readonly" },
  });
  return { status, said: `${stdout}${stderr}` };
}

const present = spawnSync("go", ["version"]).status === 0;
const where = present ? it : it.skip;
const name = (text: string) => (present ? text : `${text} (left out: no Go on this host)`);

describe("runc-cr", () => {
  where(name("passes its own tests"), () => {
    expect(go("go", "test", "./...")).toEqual({ status: 0, said: expect.stringMatching(/^ok\s/) });
  });

  where(name("unpacks no archive to a place outside of its folder, whatever is in it"), () => {
    const { status, said } = go(
      "go",
      "test",
      "-run",
      "^$",
      "-fuzz",
      "^FuzzUnpack$",
      "-fuzztime",
      FUZZING,
      "-fuzzminimizetime",
      "1x",
      ".",
    );
    expect({ status, said }).toEqual({ status: 0, said: expect.stringMatching(/execs: \d{3,}/) });
  });

  where(name("has nothing that go vet or gofmt would change"), () => {
    expect(go("go", "vet", "./...")).toEqual({ status: 0, said: "" });
    expect(go("gofmt", "-l", ...readdirSync(MODULE).filter((file) => file.endsWith(".go")))).toEqual({
      status: 0,
      said: "",
    });
  });
});
