import { Secret } from "../../rpc";
import { createHandlers } from "../provider";
import { PASSWORD, registryAvailable, startRegistry, USER } from "./registry";
import {
  CONTAINER,
  docker,
  IMAGE,
  LABELS,
  pruneImages,
  REMOTE_IMAGE,
  Resource,
  Scope,
  staticProgram,
  unique,
} from "./support";

const suite = new Scope();
let address: string;
let scope: Scope;
const real = registryAvailable ? describe : describe.skip;

real(
  "with a registry that wants a login (skipped where docker-registry is neither installed nor to be had by apt-get)",
  () => {
    beforeAll(async () => {
      address = await startRegistry(suite);
    }, 60_000);
    afterAll(async () => {
      await suite.clean();
      pruneImages("docker-plugin-push");
    });
    beforeEach(() => {
      scope = new Scope();
    });
    afterEach(() => scope.clean());

    function inputs(imageName: string, password: string) {
      const context = scope.folder({
        program: staticProgram(),
        Dockerfile: `FROM scratch\nLABEL bay-e2e.test=docker-plugin-push name=${imageName}\nCOPY program /program\nCMD ["/program"]\n`,
      });
      scope.defer(() => docker("image", "rm", "--force", imageName));
      return {
        imageName,
        build: { context },
        registry: { server: address, username: USER, password: new Secret(password) },
      };
    }

    test("an image is pushed with the credentials, its digest is told, and it is pulled again where it is missing", async () => {
      const imageName = `${address}/${unique("pushed")}:1`;
      const image = await scope.resource(IMAGE).create(inputs(imageName, PASSWORD));
      expect(image.outputs).toMatchObject({
        imageName,
        registryServer: address,
        repoDigest: expect.stringMatching(
          new RegExp(`^${imageName.replace(/:1$/, "")}@sha256:[0-9a-f]{64}$`),
        ) as string,
      });
      docker("image", "rm", "--force", imageName);

      const handlers = createHandlers();
      await handlers.configure!(
        {
          variables: {},
          args: { registryAuth: new Secret(JSON.stringify([{ address, username: USER, password: PASSWORD }])) },
        },
        undefined as never,
      );
      const remote = await new Resource(REMOTE_IMAGE, "pulled", handlers).create({ name: imageName });
      expect(remote.outputs.repoDigest).toBe(image.outputs.repoDigest);
      docker("image", "rm", "--force", imageName);
      const container = new Resource(CONTAINER, "ctr", handlers);
      scope.defer(() => container.delete());
      await container.create({ name: unique("ctr"), image: String(image.outputs.repoDigest), labels: LABELS });
      scope.defer(() => docker("image", "rm", "--force", String(image.outputs.repoDigest)));
      expect(container.lines.join("\n")).toContain("Pull");
    }, 60_000);

    test("a wrong password is refused, and does not show in error, lines or outputs", async () => {
      const imageName = `${address}/${unique("refused")}:1`;
      const image = scope.resource(IMAGE);
      const error: Error = await image.create(inputs(imageName, "wr0ng-password")).then(
        () => {
          throw new Error("it was pushed");
        },
        (reason: Error) => reason,
      );
      expect(error.message).toMatch(
        /^error pushing image .*: (unauthorized|no basic auth credentials|authentication required)/,
      );
      expect([error.message, ...image.lines].join("\n")).not.toContain("wr0ng-password");
      expect(image.id).toBe("");
    }, 60_000);
  },
);
