import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
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
