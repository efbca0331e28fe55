import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { injectSkills } from "../src/startup";
import { startShip } from "./support/start-ship";

test("Ships that start together in one workspace, as the containers of a pod do, all start and leave it whole", async () => {
  const workspace = mkdtempSync(path.join(os.tmpdir(), "ship-ws-"));
  const skills = mkdtempSync(path.join(os.tmpdir(), "ship-skills-"));
  const names = Array.from({ length: 100 }, (_, index) => `part-${index}`).sort();
  mkdirSync(path.join(skills, "many"));
  for (const name of names) writeFileSync(path.join(skills, "many", name), name);
  const env = { SHIP_SKILLS: skills, BAY_PROFILE_ENV: "SHARED=yes" };
  const ships = await Promise.all([1, 2, 3].map(() => startShip(workspace, env)));
  try {
    expect(readdirSync(path.join(workspace, "skills"))).toEqual(["many"]);
    expect(readdirSync(path.join(workspace, "skills/many")).sort()).toEqual(names);
    expect(readFileSync(path.join(workspace, ".bay_env.sh"), "utf8")).toBe("export SHARED='yes'\n");
    expect(readdirSync(workspace).sort()).toEqual([".bay_env.sh", "skills"]);
  } finally {
    await Promise.all(ships.map((ship) => ship.stop({ clean: false })));
    for (const folder of [workspace, skills]) rmSync(folder, { recursive: true });
  }
});

// In Node 24.0 to 24.9 rmSync leaves a link that points nowhere.
test.each([
  ["a link that points nowhere", (place: string) => symlinkSync("nowhere", place)],
  ["a link to itself", (place: string) => symlinkSync("given", place)],
  ["a link to a directory", (place: string) => symlinkSync("..", place)],
  ["a file", (place: string) => writeFileSync(place, "")],
  ["a directory", (place: string) => mkdirSync(path.join(place, "old"), { recursive: true })],
])("a built-in skill replaces %s, and nothing else is left", (_, make) => {
  const top = mkdtempSync(path.join(os.tmpdir(), "ship-skills-"));
  try {
    for (const folder of ["source/given", "workspace/skills"]) mkdirSync(path.join(top, folder), { recursive: true });
    make(path.join(top, "workspace/skills/given"));
    injectSkills(path.join(top, "workspace"), path.join(top, "source"));
    expect(readdirSync(path.join(top, "workspace/skills"))).toEqual(["given"]);
    expect(readdirSync(path.join(top, "workspace/skills/given"))).toEqual([]);
  } finally {
    rmSync(top, { recursive: true });
  }
});
