import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { ROOT } from "../paths";

export type Project = "unit" | "e2e" | "checkpoint" | "hostile";

/** What tests of a real cluster are about. */
export const SUITES = ["bay", "checkpoint", "hostile"] as const;
export type Suite = (typeof SUITES)[number];

/** The project that holds a suite's tests. */
export function projectOfSuite(suite: Suite): Exclude<Project, "unit"> {
  return suite === "bay" ? "e2e" : suite;
}

/** A file of tests, as far as it is known without running it. */
export interface TestFile {
  /** Path in the repository. */
  path: string;
  /** Which of those that the runner starts; others have commands of their own. */
  project: Project | undefined;
  /**
   * Words with `@` in the text of a suite's file. A marker that is not among them is on none of its tests, because
   * titles are written out. Other files have no markers.
   */
  tags: ReadonlySet<string>;
}

/** All files of tests. */
export function testFiles(): TestFile[] {
  return ["tests", "images"]
    .flatMap((folder) => readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && entry.name.endsWith(".test.ts"))
    .map((entry) => testFile(relative(ROOT, join(entry.parentPath, entry.name))));
}

/** One file of tests. @param path in the repository */
export function testFile(path: string): TestFile {
  const project = projectOf(path);
  const text = project === undefined || project === "unit" ? "" : readFileSync(join(ROOT, path), "utf8");
  return { path, project, tags: new Set([...text.matchAll(/@([a-z]+)/gi)].map(([, tag]) => tag!.toLowerCase())) };
}

/** As jest.config.ts has it. The fixtures of lifecycle tests are run as E2E, by a configuration of their own. */
function projectOf(path: string): Project | undefined {
  if (/^(tests\/unit|images)\//.test(path)) return "unit";
  if (/^tests\/(checkpoint|environment)\//.test(path)) return "checkpoint";
  if (path.startsWith("tests/hostile/")) return "hostile";
  return /^tests\/(e2e|lifecycle\/fixtures)\//.test(path) ? "e2e" : undefined;
}
