import { type CheckSpec, fail, needsDocker, NODE_BACKENDS, ok, warn } from "../check";
import type { DockerAnswer, DockerInfo } from "../../probe/docker";

const infoOf = ({ docker }: { docker: DockerAnswer }) => Promise.resolve(docker.info);

/** A daemon that answers. */
export const dockerAnswers: CheckSpec<DockerAnswer> = {
  name: "Docker",
  cost: "cheap",
  preflight: true,
  probe: (subject) => Promise.resolve(needsDocker(subject) ? subject.docker : undefined),
  judge: ({ info, problem }, { env }) =>
    info
      ? ok(`${info.version}${info.here ? "" : ", in another machine"}`, "a daemon that answers")
      : fail(
          problem ?? "no answer",
          "a Docker daemon that answers",
          env["DOCKER_HOST"] ? "docker info   (or: unset DOCKER_HOST)" : "npm run setup",
          "E_DOCKER_MISSING",
        ),
};

/** A node is a privileged container; a rootless daemon, or remapped users, take that away. */
export const dockerPrivileged: CheckSpec<Pick<DockerInfo, "rootless" | "remapped">> = {
  name: "privileged containers",
  backends: NODE_BACKENDS,
  cost: "cheap",
  preflight: true,
  probe: infoOf,
  judge: ({ rootless, remapped }) => {
    const needed = "a Docker whose privileged containers have the host's privileges";
    if (rootless) return fail("a rootless Docker", needed, "docker context use default", "E_DOCKER_PRIVILEGED");
    if (remapped)
      return fail(
        "a Docker with remapped users (userns-remap)",
        needed,
        "take userns-remap out of the daemon's settings and restart it",
        "E_DOCKER_PRIVILEGED",
      );
    return ok("allowed", "allowed");
  },
};

/**
 * The store decides what `docker save` writes: containerd's names platforms whose layers were never pulled (kind
 * #3795).
 */
export const imageStore: CheckSpec<DockerInfo["store"]> = {
  name: "image store",
  cost: "cheap",
  probe: async (subject) => (needsDocker(subject) ? (await infoOf(subject))?.store : undefined),
  judge: ({ driver, containerd }) => {
    const needed = "any but vfs";
    if (driver === "vfs")
      return warn(
        "vfs: every layer is a whole copy",
        needed,
        "a filesystem that overlay2 works on for the daemon's folder",
      );
    return ok(
      containerd
        ? `containerd's (${driver}): use \`docker save --platform\`, not \`kind load\`, for pulled images (kind #3795)`
        : `graph driver ${driver}`,
      needed,
    );
  },
};

/** Far apart, certificates that one makes are not valid yet for the other. */
export const dockerClock: CheckSpec<{ ahead: number }> = {
  name: "Docker's clock",
  cost: "cheap",
  probe: async (subject) => {
    const info = await infoOf(subject);
    return info && !info.here ? { ahead: info.clockAhead } : undefined;
  },
  judge: ({ ahead }) => {
    const found = `${Math.abs(ahead / 1000).toFixed(0)} s ${ahead < 0 ? "behind" : "ahead"}`;
    return Math.abs(ahead) < 30_000
      ? ok(found, "within 30 s of this host's")
      : warn(found, "within 30 s of this host's", "restart the machine that Docker runs in");
  },
};
