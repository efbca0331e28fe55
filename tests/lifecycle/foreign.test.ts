import { rmSync } from "node:fs";
import { join } from "node:path";
import { kubeconfigFile, LABELS, ownerOf } from "../../infra/naming";
import { type HostState, lookAtHost, ROOT } from "./host";
import { anyImage } from "./images";
import {
  allRemovals,
  container,
  docker,
  file,
  image,
  network,
  on,
  type Planted,
  quietly,
  removals,
  run,
  untouched,
  volume,
} from "./planted";
import { onK3s, stackFile } from "./stack-file";

// What others made in Docker, and in files, under the names that a stack uses; the stack itself never comes up.
jest.setTimeout(300_000);

const CLUSTER = `bay-foreign-${process.pid}`;
const [SHARED, KIND] = ["foreign", "foreign-kind"] as const;
const RUNNER_FILE = join(ROOT, ".state", "run", "notes-2024.json");

let before: HostState;
let files: string[] = [];
let planted: Planted[] = [];
beforeAll(() => {
  files = [
    stackFile(SHARED, { clusterName: CLUSTER, k3sAgents: 1 }),
    stackFile(KIND, { backend: "kind", clusterName: CLUSTER, kindNodes: 2 }),
  ];
  before = lookAtHost();
});
afterEach(() => {
  for (const { remove } of planted) remove();
  planted = [];
});
afterAll(async () => {
  for (const stack of [SHARED, KIND]) await on("down", stack);
  for (const path of files) rmSync(path, { force: true });
});

/** Makes things of somebody else one by one, so that those before one that fails are removed too. */
function plant(...makers: (() => Planted)[]): void {
  for (const make of makers) planted.push(make());
}

describe("in Docker", () => {
  onK3s(
    "a container, a network and volumes with the names of nodes: refused before anything is made, and left by all that removes",
    async () => {
      plant(
        () => container(CLUSTER),
        () => network(CLUSTER),
        () => volume(`${CLUSTER}-k3s`),
        () => volume(`${CLUSTER}-agent-1-kubelet`),
        () => image(`bay-e2e/bay:${SHARED}`),
        () => image(`bay-e2e/runner:${SHARED}`),
        () => file(RUNNER_FILE, "mine"),
      );
      const state = lookAtHost();
      await untouched(planted, [
        async () => {
          const [code, output] = await on("up", SHARED);
          expect([code, output]).toEqual([
            2,
            expect.stringMatching(
              new RegExp(
                `E_CLUSTER_NAME_TAKEN[\\s\\S]*container ${CLUSTER}, which carries no label[\\s\\S]*network ${CLUSTER},[\\s\\S]*volume ${CLUSTER}-k3s,[\\s\\S]*volume ${CLUSTER}-agent-1-kubelet,[\\s\\S]*next: +pulumi config set --stack ${SHARED} clusterName`,
              ),
            ),
          ]);
          expect(lookAtHost()).toEqual(state);
        },
        ...allRemovals(SHARED),
      ]);
    },
  );

  onK3s("one volume alone: Docker would make it as if it were new", async () => {
    plant(() => volume(`${CLUSTER}-k3s`));
    await untouched(planted, [
      async () => {
        expect(await on("up", SHARED)).toEqual([
          2,
          expect.stringMatching(new RegExp(`E_CLUSTER_NAME_TAKEN[\\s\\S]*volume ${CLUSTER}-k3s,`)),
        ]);
      },
      ...removals(SHARED),
    ]);
  });

  onK3s(
    "a kind cluster of the name, in its own network or in kind's: no network of ours is made, and its nodes stay",
    async () => {
      const cluster = ["--label", `io.x-k8s.kind.cluster=${CLUSTER}`];
      plant(
        () => container(`${CLUSTER}-control-plane`, ...cluster),
        () => container(`${CLUSTER}-extra`, ...cluster),
      );
      const state = lookAtHost();
      await untouched(planted, [
        async () => {
          expect(await on("up", KIND)).toEqual([
            2,
            expect.stringMatching(
              new RegExp(
                `E_CLUSTER_NAME_TAKEN[\\s\\S]*container ${CLUSTER}-control-plane, a node of the kind cluster ${CLUSTER}, which this stack did not make[\\s\\S]*container ${CLUSTER}-extra`,
              ),
            ),
          ]);
          expect(lookAtHost()).toEqual(state);
        },
        ...allRemovals(KIND),
      ]);
    },
  );

  onK3s(
    "a node in a network of that name that carries our label, as older versions made it before they refused",
    async () => {
      const own = ownerOf(ROOT, KIND);
      const labels = [
        [LABELS.owner, own.id],
        [LABELS.stack, KIND],
        [LABELS.checkout, ROOT],
      ].flatMap(([key, value]) => ["--label", `${key}=${value}`]);
      plant(() => container(`${CLUSTER}-control-plane`, "--label", `io.x-k8s.kind.cluster=${CLUSTER}`));
      docker("network", "create", ...labels, CLUSTER);
      await untouched(planted, removals(KIND));
      // The network is ours, and went; also where the node of somebody else is connected to it.
      expect(lookAtHost().networks).toEqual(before.networks);
    },
  );

  onK3s(
    "a container of an image that was made from a node: it shows the node's label, and does not have it",
    async () => {
      const own = ownerOf(ROOT, SHARED);
      const node = docker("create", "--label", `${LABELS.owner}=${own.id}`, anyImage());
      const copy = `bay-foreign-copy:${process.pid}`;
      docker("commit", node, copy);
      docker("rm", node);
      const id = docker("create", copy);
      try {
        planted = [
          {
            what: "the copy's container",
            identity: () => docker("container", "inspect", "--format", "{{.Id}}", id),
            remove: () => {
              quietly("rm", "--force", id);
            },
          },
        ];
        await untouched(planted, removals(SHARED));
      } finally {
        quietly("rm", "--force", id);
        docker("image", "rm", copy);
      }
    },
  );
});

describe("a file where a stack would write its own", () => {
  onK3s("is refused and left", async () => {
    plant(() => file(kubeconfigFile(ROOT, SHARED), "a note\n"));
    await untouched(planted, [
      async () => {
        expect(await on("up", SHARED)).toEqual([2, expect.stringMatching(/E_FILE_FOREIGN[\s\S]*next: +mv /)]);
      },
      ...removals(SHARED),
    ]);
    plant(() => file(join(ROOT, "stacks", "Pulumi.preview-mine.yaml"), "config:\n  bay-e2e:backend: k3s\n"));
    await untouched(planted, [
      async () => {
        expect(await run("preview", "--", "up", "mine", "--from", SHARED)).toEqual([
          2,
          expect.stringMatching(/E_FILE_FOREIGN/),
        ]);
      },
    ]);
  });
});
