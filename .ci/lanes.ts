/**
 * Runs the suites that start clusters of their own in two lanes, each in a clone of its own: they wait more than they
 * compute, so that two of them take two thirds of the time. A lane takes the next job when it is free, the longest
 * first. Each job's tests compare what they can of their own checkout; what all of them leave on the host is compared
 * here, at the end.
 *
 *     node --import tsx .ci/lanes.ts
 */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { execaSync, execa } from "execa";
import { type HostState, lookAtHost, ROOT } from "../tests/lifecycle/host";

/** A command for one lane. It writes its tests' results to `artifacts/jest-*.json` of the checkout that it runs in. */
interface Job {
  name: string;
  command: readonly string[];
}

/** What takes longest, longest first: begun last, one of them would keep a lane busy while the other has nothing. */
const LONGEST = ["leftovers", "platform", "kind", "in-container", "offline", "preview", "k3s", "stuck", "bad-days"];

const tests = (project: string): Job[] =>
  readdirSync(join(ROOT, "tests", project))
    .filter((file) => file.endsWith(".test.ts"))
    .map((file) => {
      const name = basename(file, ".test.ts");
      const results = `artifacts/jest-${project}-${name}.json`;
      const jest = ["npx", "jest", "--selectProjects", project, "--runInBand", "--json", "--outputFile", results];
      return { name, command: [...jest, "--runTestsByPath", `tests/${project}/${file}`] };
    });

const rank = ({ name }: Job) => (LONGEST.includes(name) ? LONGEST.indexOf(name) : LONGEST.length);
const jobs = [...tests("lifecycle"), ...tests("backends"), { name: "offline", command: [".ci/offline-tests"] }].sort(
  (one, other) => rank(one) - rank(other),
);

/** Takes jobs until there are none; returns whether all of them passed. */
async function lane(checkout: string): Promise<boolean> {
  let passed = true;
  mkdirSync(join(checkout, "artifacts"), { recursive: true });
  for (let job = jobs.shift(); job; job = jobs.shift()) {
    const begin = Date.now();
    console.log(`> ${job.name}, in ${checkout}`);
    const [file, ...words] = job.command;
    const ended = await execa(file!, words, { cwd: checkout, all: true, stdout: "pipe", reject: false });
    const seconds = Math.round((Date.now() - begin) / 1000);
    console.log(`${ended.failed ? "FAILED" : "ok"} ${job.name} (${seconds} s)`);
    if (ended.failed) {
      passed = false;
      console.log(ended.all);
    }
  }
  return passed;
}

/** What is on the host now and was not there before, of each kind. */
function leftSince(before: HostState): string[] {
  return Object.entries(lookAtHost({ whole: true })).flatMap(([kind, now]) => {
    const then = before[kind as keyof HostState];
    if (!Array.isArray(now)) return now === then ? [] : [`${kind} changed`];
    return now.filter((item) => !then.includes(item)).map((item) => `${kind}: ${item}`);
  });
}

async function main(): Promise<void> {
  // Of the whole host: nobody else uses one of CI's.
  const before = lookAtHost({ whole: true });
  const folder = mkdtempSync(join(tmpdir(), "bay-e2e-lane-"));
  const clone = join(folder, "clone");
  execaSync("git", ["clone", "--quiet", ROOT, clone], { stdio: "inherit" });
  execaSync("cp", ["--archive", join(ROOT, "node_modules"), clone], { stdio: "inherit" });
  const passed = await Promise.all([ROOT, clone].map(lane));
  for (const file of readdirSync(join(clone, "artifacts")).filter((name) => /^jest-.*\.json$/.test(name)))
    cpSync(join(clone, "artifacts", file), join(ROOT, "artifacts", file));
  rmSync(folder, { recursive: true, force: true });

  const left = leftSince(before);
  if (left.length > 0) console.log(`FAILED: left on the host:\n${left.map((item) => `  ${item}`).join("\n")}`);
  process.exitCode = passed.every(Boolean) && left.length === 0 ? 0 : 1;
}

void main();
