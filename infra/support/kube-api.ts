import { call, type KubeAnswer, type KubeCall, type KubeTransport, transportOf } from "./kube-transport";

/** A list as the API server gives it. */
export interface KubeList<T> {
  items: T[];
}

/** What the program must ask of a cluster before it declares anything in it. */
export interface KubeApi {
  readonly server: string;
  /**
   * The object at a path such as `/api/v1/nodes`, or the text at one that has no JSON; nothing where the server says
   * 404.
   */
  get<T>(path: string): Promise<T | undefined>;
  /** Makes an object that no state knows, in the collection at a path, and gives it as it was made. */
  create<T>(path: string, object: object): Promise<T>;
  /** Removes the object at a path; one that is not there is removed already. */
  remove(path: string): Promise<void>;
  close(): void;
}

/** An answer by which the API server refused a call. */
export class KubeRefusal extends Error {
  constructor(
    readonly status: number,
    readonly path: string,
    message: string,
  ) {
    super(message);
    this.name = "KubeRefusal";
  }
}

/**
 * Opens a kubeconfig's current context. A full client would cost half a second at every run of the program.
 * @throws UserError E_KUBECONFIG, also from each call, where there are no credentials
 */
export async function openKubeApi(kubeconfig: string): Promise<KubeApi> {
  const transport = transportOf(kubeconfig);
  // A plugin that fails says so now, and not as a server that does not answer.
  await transport.options();
  return {
    server: transport.server,
    get: (path) => ask(transport, { path }),
    create: async <T>(path: string, object: object) =>
      (await ask<T>(transport, { path, method: "POST", body: object }))!,
    remove: async (path) => {
      await ask(transport, { path, method: "DELETE" });
    },
    close: () => {
      transport.close();
    },
  };
}

/** The answer as JSON, or as text where it is none; nothing for 404. @throws KubeRefusal with the server's own words */
async function ask<T>(transport: KubeTransport, request: KubeCall): Promise<T | undefined> {
  const answer = await call(transport, request);
  if (answer.status === 404 && !request.body) return undefined;
  if (answer.status >= 200 && answer.status < 300) return parsed(answer) as T;
  const path = request.path.split("?")[0]!;
  throw new KubeRefusal(answer.status, path, `${path} answered ${answer.status || "nothing"}${wordsOf(answer)}`);
}

function parsed({ body, type }: KubeAnswer): unknown {
  if (!/json/.test(type)) return body;
  try {
    return JSON.parse(body) as unknown;
  } catch {
    throw new Error("the answer says that it is JSON, and is not");
  }
}

/** The message of a `Status`, which tells why a call was refused. */
export function wordsOf({ body }: Pick<KubeAnswer, "body">): string {
  try {
    const message = (JSON.parse(body) as { message?: string } | null)?.message;
    return message ? `: ${message}` : "";
  } catch {
    return body.trim() === "" ? "" : `: ${body.trim().slice(0, 200)}`;
  }
}
