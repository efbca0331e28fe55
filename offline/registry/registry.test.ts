import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run, tryRun } from "../../infra/support/exec";
import { freePort } from "../../infra/support/ports";
import { waitFor } from "../../infra/support/wait";
import { substitutes } from "../images";
import { OFFICIAL_IMAGES } from "../versions";
import { present } from "../node/testing";
import { registryFolder } from ".";

jest.setTimeout(120_000);

const base = substitutes()[OFFICIAL_IMAGES.bay]!;
const made = existsSync(registryFolder()) && present(base);
const suite = made ? describe : describe.skip;

suite(
  `the image registry${made ? "" : " (skipped: not made on this host; node --import tsx offline/main.ts ensure --need registry,images)"}`,
  () => {
    const folder = mkdtempSync(join(tmpdir(), "bay-e2e-registry-"));
    const program = join(registryFolder(), "registry");
    const docker = (...argv: string[]) => tryRun(["docker", "--config", join(folder, "client"), ...argv]);
    let host: string;
    let image: string;
    let server: ChildProcess;

    beforeAll(async () => {
      host = `127.0.0.1:${await freePort()}`;
      image = `${host}/team/base:1`;
      writeFileSync(join(folder, "htpasswd"), await run([program, "htpasswd", "user"], { input: "right" }));
      writeFileSync(
        join(folder, "config.yaml"),
        JSON.stringify({
          version: "0.1",
          log: { level: "error" },
          storage: { filesystem: { rootdirectory: join(folder, "data") } },
          http: { addr: host },
          auth: { htpasswd: { realm: "tests", path: join(folder, "htpasswd") } },
        }),
      );
      server = spawn(program, ["serve", join(folder, "config.yaml")], { stdio: "ignore" });
      await waitFor(
        async () => {
          const status = await fetch(`http://${host}/v2/`).then(
            (response) => response.status,
            (error: unknown) => String(error),
          );
          return status === 401 ? { value: true } : { reason: `${status}` };
        },
        { deadline: 30_000 },
        (reason) => new Error(reason),
      );
      await run(["docker", "tag", base, image]);
    });

    afterAll(async () => {
      server.kill();
      await tryRun(["docker", "rmi", image]);
      rmSync(folder, { recursive: true, force: true });
    });

    it("refuses a push without a login, and a wrong password", async () => {
      expect(await docker("push", image)).toMatchObject({
        exitCode: 1,
        stderr: expect.stringMatching(/no basic auth credentials|unauthorized/) as string,
      });
      expect(
        (
          await tryRun(
            ["docker", "--config", join(folder, "client"), "login", "-u", "user", "--password-stdin", host],
            { input: "wrong" },
          )
        ).exitCode,
      ).toBe(1);
    });

    it("takes a push with a login and gives the image back", async () => {
      await run(["docker", "--config", join(folder, "client"), "login", "-u", "user", "--password-stdin", host], {
        input: "right",
      });
      expect(await docker("push", image)).toMatchObject({ exitCode: 0 });
      const tags = await fetch(`http://${host}/v2/team/base/tags/list`, {
        headers: { authorization: `Basic ${Buffer.from("user:right").toString("base64")}` },
      });
      expect(await tags.json()).toEqual({ name: "team/base", tags: ["1"] });
      await run(["docker", "rmi", image]);
      expect(await docker("pull", image)).toMatchObject({ exitCode: 0 });
    });
  },
);
