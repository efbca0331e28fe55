/** Releases of the chart in `chart/` on a real cluster: what the tests of releases share. */
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { helmFolder } from "../../../../helm";
import type { HelmRecord } from "../../../../../infra/support/helm-record";
import { Secret, type ValueMap } from "../../../rpc/values";
import { Cluster } from "../../cluster";
import { parseConfig } from "../../config";
import { CallError, TestEngine } from "../../testing/engine";
import { describeWithCluster, TEST_KUBECONFIG, TestCluster } from "../../testing/cluster";
import { RELEASE_TYPE } from "../inputs";
import { recordsOf } from "../records";

const CHART = join(__dirname, "chart");

// The one that the fallback made, where it did; else that of PATH.
if (existsSync(helmFolder())) process.env["PATH"] = `${helmFolder()}${delimiter}${process.env["PATH"] ?? ""}`;

/** `describe` where there are a cluster and Helm, else a skipped one whose name says what is missing. */
export const describeWithHelm: jest.Describe = hasHelm()
  ? describeWithCluster
  : (((name: string, run: () => void) => {
      const named = `${name} (needs helm: node --import tsx offline/main.ts ensure --need helm)`;
      process.stderr.write(`skipped: the kubernetes plugin ${named}\n`);
      describe.skip(named, run);
    }) as jest.Describe);

function hasHelm(): boolean {
  return (process.env["PATH"] ?? "").split(delimiter).some((folder) => existsSync(join(folder, "helm")));
}

/** A namespace with releases, the plugin that makes them, and Helm beside it. */
export class Releases {
  readonly cluster = new TestCluster();
  /** A copy of the chart that a test may change. */
  readonly chart: string;
  private image = "";
  private readonly folder = mkdtempSync(join(tmpdir(), "releases-"));
  private readonly reader: Cluster;

  private constructor(public engine: TestEngine) {
    this.chart = join(this.folder, "fixture");
    cpSync(CHART, this.chart, { recursive: true });
    this.reader = new Cluster(parseConfig({ kubeconfig: this.cluster.kubeconfig }));
  }

  static async open(): Promise<Releases> {
    const releases = new Releases(await Releases.startEngine());
    try {
      releases.image = await releases.cluster.shellImage();
      await releases.cluster.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: releases.namespace } });
      return releases;
    } catch (error) {
      // An engine that goes on would keep Jest from its end.
      await releases.engine.stop();
      throw error;
    }
  }

  get namespace(): string {
    return this.cluster.namespace;
  }

  /** Inputs of a release of the chart. */
  inputs(name: string, values: ValueMap = {}, more: ValueMap = {}): ValueMap {
    return {
      name,
      namespace: this.namespace,
      chart: this.chart,
      timeout: 60,
      values: { image: this.image, token: new Secret("planted-helm-token"), ...values },
      ...more,
    };
  }

  up(resource: string, inputs: ValueMap, timeout = 0): ReturnType<TestEngine["up"]> {
    return this.engine.up(resource, RELEASE_TYPE, inputs, timeout);
  }

  /** The error of an `up` that has to fail. */
  async failing(resource: string, inputs: ValueMap, timeout = 0): Promise<CallError> {
    return this.up(resource, inputs, timeout).then(
      (done) => {
        throw new Error(`it did not fail: ${done}`);
      },
      (error: unknown) => error as CallError,
    );
  }

  /** All revisions of a release as `revision status`, oldest first. */
  async history(name: string): Promise<string[]> {
    return (await this.records(name)).map(({ revision, status }) => `${revision} ${status}`);
  }

  records(name: string): Promise<HelmRecord[]> {
    return recordsOf(this.reader, this.namespace, name);
  }

  /** Whether an object of the namespace is there. */
  async has(kind: string, name: string): Promise<boolean> {
    const apiVersion = kind === "Deployment" ? "apps/v1" : kind === "Job" ? "batch/v1" : "v1";
    return this.cluster.get({ apiVersion, kind, metadata: { name, namespace: this.namespace } }).then(
      () => true,
      () => false,
    );
  }

  /** Helm as somebody else would call it. */
  helm(...args: string[]): string {
    return execFileSync("helm", [...args, "--namespace", this.namespace, "--kubeconfig", TEST_KUBECONFIG ?? ""], {
      encoding: "utf8",
      env: process.env,
      stdio: ["ignore", "pipe", "pipe"],
    });
  }

  /** Puts a chart into an archive; gives its path. */
  packaged(chart = this.chart): string {
    execFileSync("helm", ["package", chart, "--destination", this.folder], { stdio: "ignore", env: process.env });
    return join(
      this.folder,
      readdirSync(this.folder).find((name) => name.endsWith(".tgz"))!,
    );
  }

  /** Ends the Helm that the plugin runs, as nothing can be done against. */
  killHelm(): void {
    process.kill(helmOf(this.engine.pid), "SIGKILL");
  }

  /** Ends the plugin and its Helm together, and starts another plugin with the state as it was. */
  async killPlugin(): Promise<void> {
    const { pid } = this.engine;
    const helm = helmOf(pid);
    await this.engine.kill();
    process.kill(helm, "SIGKILL");
    const { state } = this.engine;
    this.engine = await Releases.startEngine();
    for (const [name, entry] of state) this.engine.state.set(name, entry);
  }

  /** Resolves when the newest revision of a release has a status. */
  async until(name: string, status: string): Promise<void> {
    const newest = async (): Promise<string | undefined> => (await this.records(name)).at(-1)?.status;
    const deadline = Date.now() + 60_000;
    for (let seen = await newest(); seen !== status; seen = await newest()) {
      if (Date.now() > deadline) throw new Error(`the release ${name} is ${seen ?? "not there"}, not ${status}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async close(): Promise<void> {
    await this.cluster.close();
    await this.engine.stop();
    rmSync(this.folder, { recursive: true });
  }

  private static startEngine(): Promise<TestEngine> {
    return TestEngine.start({
      kubeconfig: new Secret(readFileSync(TEST_KUBECONFIG ?? "", "utf8")),
      clusterIdentifier: "test",
    });
  }
}

/** Process id of the Helm that a process started. */
function helmOf(parent: number): number {
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const [, comm, ppid] = /\((.*)\) \S (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, "utf8")) ?? [];
      if (comm === "helm" && Number(ppid) === parent) return Number(pid);
    } catch {
      /* it ended meanwhile */
    }
  }
  throw new Error(`process ${parent} has no helm under way`);
}
