import { release } from "node:os";
import semver from "semver";
import { tryRun } from "../../../infra/support/exec";
import { type CheckSpec, NODE_BACKENDS, ok, warn } from "../check";

/** The kernel from which on older versions of criu cannot restore, and the first that can. */
const [KERNEL, CRIU] = ["6.16.0", "4.2.0"];

/** Kernel and criu, for suites that checkpoint pods. A node may bring its own criu; the host's is what is seen here. */
export const checkpointing: CheckSpec<{ kernel: string; criu?: string }> = {
  name: "kernel and criu",
  backends: NODE_BACKENDS, cost: "cheap",
  probe: async ({ docker }) => {
    const { stdout } = await tryRun(["criu", "--version"], { timeout: 2_000 }).catch(() => ({ stdout: "" }));
    const criu = semver.coerce(/Version:\s*(\S+)/.exec(stdout)?.[1])?.version;
    return { kernel: docker.info?.kernel || release(), ...(criu ? { criu } : {}) };
  },
  judge: ({ kernel, criu }) => {
    const wanted = semver.gte(semver.coerce(kernel) ?? "0.0.0", KERNEL) ? CRIU : "3.17.0";
    const [found, needed] = [`kernel ${kernel}, ${criu ? `criu ${criu}` : "no criu on this host"}`, `criu ${wanted}; for checkpoint suites only`];
    if (criu === undefined) return warn(found, needed, "a node image with criu of its own, as the stand-ins have, or install criu");
    return semver.lt(criu, wanted) ? warn(found, needed, "a newer criu: Debian sid has one") : ok(found, needed);
  },
};
