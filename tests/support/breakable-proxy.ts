import { type AddressInfo, connect, createServer, isIP, type Socket } from "node:net";
import { parse, stringify } from "yaml";

interface Kubeconfig {
  "current-context": string;
  contexts: { name: string; context: { cluster: string } }[];
  clusters: { name: string; cluster: { server: string; "tls-server-name"?: string } }[];
}

/** A way to the API server that a test can break. */
export interface BreakableProxy {
  /** The kubeconfig it was made of, but leading through the proxy. */
  kubeconfig: string;
  /** Breaks all connections, and takes no new one until `mend`. */
  cut(): void;
  mend(): void;
  close(): Promise<void>;
}

/** Puts a plain TCP proxy on 127.0.0.1 between a client and the API server of a kubeconfig. */
export async function breakableProxy(kubeconfig: string): Promise<BreakableProxy> {
  const config = parse(kubeconfig) as Kubeconfig;
  const context = config.contexts.find(({ name }) => name === config["current-context"])!;
  const { cluster } = config.clusters.find(({ name }) => name === context.context.cluster)!;
  const target = new URL(cluster.server);
  const sockets = new Set<Socket>();
  let broken = false;
  const keep = (socket: Socket): void => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.once("close", () => sockets.delete(socket));
  };
  const server = createServer((client) => {
    keep(client);
    if (broken) return void client.destroy();
    const upstream = connect(Number(target.port || 443), target.hostname);
    keep(upstream);
    client.once("close", () => upstream.destroy());
    upstream.once("close", () => client.destroy());
    client.pipe(upstream).pipe(client);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(0, "127.0.0.1", resolve);
  });
  // The certificate is for the server's own name.
  if (!isIP(target.hostname)) cluster["tls-server-name"] ??= target.hostname;
  cluster.server = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const drop = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    kubeconfig: stringify(config),
    cut: () => {
      broken = true;
      drop();
    },
    mend: () => {
      broken = false;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        drop();
      }),
  };
}
