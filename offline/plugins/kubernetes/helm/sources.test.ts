/** Charts from archives, repositories and registries. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { PASSWORD, registryAvailable, startRegistry, USER } from "../../docker/test/registry";
import { Scope } from "../../docker/test/support";
import { Secret, unwrap, type ValueMap } from "../../rpc/values";
import { at } from "../objects";
import { RELEASE_TYPE } from "./inputs";
import { describeWithHelm, Releases } from "./testing/releases";

jest.setTimeout(180_000);

describeWithHelm("a release of a chart", () => {
  let on: Releases;
  let archive: string;
  const scope = new Scope();
  const chartOf = (name: string): ValueMap => at(unwrap(on.engine.state.get(name)!.outputs), "status") as ValueMap;
  beforeAll(async () => {
    on = await Releases.open();
    archive = on.packaged();
  });
  afterAll(async () => {
    await on.close();
    await scope.clean();
  });

  it("in an archive is installed, and upgraded for another archive of the same name", async () => {
    expect(await on.up("archive", { ...on.inputs("archive"), chart: archive })).toBe("create");
    expect(await on.up("archive", { ...on.inputs("archive"), chart: archive })).toBe("same");
    writeFileSync(
      join(on.chart, "templates", "more.yaml"),
      'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: "{{ .Release.Name }}-more"}\n',
    );
    on.packaged();
    expect(await on.up("archive", { ...on.inputs("archive"), chart: archive })).toBe("update");
  });

  describe("in a repository with a login", () => {
    let server: Server;
    let repo: string;
    beforeAll(async () => {
      const folder = dirname(archive);
      execFileSync("helm", ["repo", "index", folder], { env: process.env });
      server = createServer((request, response) => {
        const login = Buffer.from((request.headers.authorization ?? "").replace("Basic ", ""), "base64").toString();
        response.statusCode = login === `${USER}:${PASSWORD}` ? 200 : 401;
        response.end(response.statusCode === 200 ? readFileSync(join(folder, basename(request.url ?? ""))) : "");
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      repo = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    });
    afterAll(() => {
      server.close();
    });

    it("is fetched by its name and version", async () => {
      const inputs: ValueMap = {
        ...on.inputs("repository"),
        chart: "fixture",
        version: "1.0.0",
        repositoryOpts: { repo, username: USER, password: new Secret(PASSWORD) },
      };
      expect(await on.up("repository", inputs)).toBe("create");
      expect(chartOf("repository")).toMatchObject({ chart: "fixture", version: "1.0.0" });
      expect(await on.up("repository", inputs)).toBe("same");
    });

    it("is refused with the repository's word, and without the password", async () => {
      const inputs: ValueMap = {
        ...on.inputs("refused"),
        chart: "fixture",
        repositoryOpts: { repo, username: USER, password: new Secret("planted-wrong-password") },
      };
      const failure = on.engine.preview("refused", RELEASE_TYPE, inputs);
      await expect(failure).rejects.toThrow(/401/);
      await expect(failure).rejects.not.toThrow(/planted-wrong-password/);
    });
  });

  (registryAvailable ? it : it.skip)(
    `in a registry with a login is fetched by its reference${registryAvailable ? "" : " (needs docker-registry)"}`,
    async () => {
      const address = await startRegistry(scope);
      const config = join(mkdtempSync(join(tmpdir(), "helm-login-")), "config.json");
      writeFileSync(
        config,
        JSON.stringify({ auths: { [address]: { auth: Buffer.from(`${USER}:${PASSWORD}`).toString("base64") } } }),
      );
      execFileSync("helm", ["push", archive, `oci://${address}/charts`, "--plain-http", "--registry-config", config], {
        stdio: "ignore",
        env: process.env,
      });
      const login = { username: USER, password: new Secret(PASSWORD) };
      expect(
        await on.up("oci", {
          ...on.inputs("oci"),
          chart: `oci://${address}/charts/fixture`,
          version: "1.0.0",
          repositoryOpts: login,
        }),
      ).toBe("create");
      expect(chartOf("oci")).toMatchObject({ chart: "fixture", version: "1.0.0", status: "deployed" });
      await expect(
        on.engine.preview("none", RELEASE_TYPE, {
          ...on.inputs("none"),
          chart: `oci://${address}/charts/absent`,
          version: "1.0.0",
          repositoryOpts: login,
        }),
      ).rejects.toThrow(/not found|manifest unknown/i);
    },
  );
});
