import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { LABELS, ownerOf } from "../../../infra/naming";
import { tryRun } from "../../../infra/support/exec";
import { ROOT } from "../../paths";
import { type CheckSpec, fail, NODE_BACKENDS, ok, warn } from "../check";

/** What a pod's traffic needs of the kernel. */
export const kernelNetwork: CheckSpec<{ forward: boolean; bridgeFilter: boolean; overlay: boolean }> = {
  name: "kernel for pods",
  backends: NODE_BACKENDS,
  cost: "cheap",
  probe: async ({ docker }) =>
    docker.info?.here
      ? {
          forward: (await textOf("/proc/sys/net/ipv4/ip_forward")).trim() === "1",
          bridgeFilter: existsSync("/proc/sys/net/bridge/bridge-nf-call-iptables"),
          overlay: /\boverlay$/m.test(await textOf("/proc/filesystems")),
        }
      : undefined,
  judge: ({ forward, bridgeFilter, overlay }) => {
    const needed = "ip_forward, br_netfilter, overlay";
    const missing = [
      ...(forward ? [] : ["ip_forward"]),
      ...(bridgeFilter ? [] : ["br_netfilter"]),
      ...(overlay ? [] : ["overlay"]),
    ];
    return missing.length === 0
      ? ok("all there", needed)
      : warn(
          `without ${missing.join(", ")}`,
          needed,
          `${missing.includes("ip_forward") ? "sysctl net.ipv4.ip_forward=1; " : ""}modprobe -a br_netfilter overlay`,
        );
  },
};

/** Ports that the configuration names. One that this stack's own node holds is no problem. */
export const ports: CheckSpec<{ key: string; port: number; taken?: string; own: boolean }> = {
  name: "ports",
  backends: ["k3s"],
  cost: "cheap",
  preflight: true,
  probe: async ({ settings, stack }) => {
    const port = settings?.k3sApiPort ?? 0;
    if (port === 0) return undefined;
    const taken = await problemOf(port);
    return {
      key: "k3sApiPort",
      port,
      own: taken !== undefined && (await heldBy(stack, port)),
      ...(taken === undefined ? {} : { taken }),
    };
  },
  judge: ({ key, port, taken, own }) => {
    const needed = "a free port, or 0 for any";
    if (own) return ok(`${port} (${key}) is held by this stack's own node`, needed);
    if (taken === undefined) return ok(`${port} (${key}) is free`, needed);
    return fail(
      `127.0.0.1:${port} (config key ${key}) is taken: ${taken}`,
      needed,
      `ss -ltnp 'sport = :${port}'   (or: pulumi config set ${key} 0)`,
      "E_PORT_IN_USE",
    );
  },
};

/** A proxy must not be asked for what is on this host. */
export const proxies: CheckSpec<{ proxy: string; noProxy: string; daemon: string }> = {
  name: "proxies",
  cost: "cheap",
  probe: ({ env, docker }) =>
    Promise.resolve({
      proxy: env["HTTPS_PROXY"] || env["https_proxy"] || env["HTTP_PROXY"] || env["http_proxy"] || "",
      noProxy: env["NO_PROXY"] || env["no_proxy"] || "",
      daemon: docker.info?.proxy ?? "",
    }),
  judge: ({ proxy, noProxy, daemon }) => {
    const needed = "none, or NO_PROXY with 127.0.0.1 and localhost";
    const found =
      [proxy && `this shell: ${withoutPassword(proxy)}`, daemon && `Docker: ${withoutPassword(daemon)}`]
        .filter(Boolean)
        .join(", ") || "none";
    const exempt = noProxy.split(/[\s,]+/);
    const missing = ["127.0.0.1", "localhost"].filter((host) => !exempt.includes(host) && !exempt.includes("*"));
    return proxy !== "" && missing.length > 0
      ? warn(
          `${found}, NO_PROXY lacks ${missing.join(" and ")}`,
          needed,
          `export NO_PROXY=${[...exempt.filter(Boolean), ...missing].join(",")}`,
        )
      : ok(found, needed);
  },
};

function withoutPassword(url: string): string {
  return url.replace(/\/\/[^@/]*@/, "//");
}

function problemOf(port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.on("error", (error: NodeJS.ErrnoException) => {
      resolve(error.code ?? error.message);
    });
    server.listen(port, "127.0.0.1", () => {
      server.close(() => {
        resolve(undefined);
      });
    });
  });
}

async function heldBy(stack: string, port: number): Promise<boolean> {
  const { stdout } = await tryRun(
    ["docker", "ps", "--filter", `label=${LABELS.owner}=${ownerOf(ROOT, stack).id}`, "--format", "{{.Ports}}"],
    { timeout: 2_000 },
  ).catch(() => ({ stdout: "" }));
  return stdout.includes(`:${port}->`);
}

function textOf(file: string): Promise<string> {
  return readFile(file, "utf8").catch(() => "");
}
