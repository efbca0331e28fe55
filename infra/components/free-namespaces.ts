import { LABELS, type Owner } from "../naming";
import { UserError } from "../support/errors";
import { type KubeApi, openKubeApi } from "../support/kube-api";
import { type Holds, holdsOf } from "../support/namespace-holds";
import { type Look, waitFor } from "../support/wait";

// Apart from the component: the runner asks too, and would load all of Pulumi's Kubernetes package for it.

interface Found {
  metadata: { uid: string; labels?: Record<string, string>; deletionTimestamp?: string };
}

/** A namespace that is wanted, and the configuration's key that names it. */
export interface WantedNamespace {
  name: string;
  key: string;
}

export interface FreeNamespaceOptions {
  owner: Owner;
  /** Seconds that an earlier namespace of the name may take to go. */
  timeout: number;
  /** Hears, every ten seconds, what an earlier namespace of the name waits for. */
  tell?: (line: string) => void;
  /** Words that begin a `kubectl` command for this cluster. */
  kubectl: string;
}

/**
 * Waits until the names of namespaces are nobody else's: all of them are looked at before anything is made. Server-side
 * apply would take over what is there, and a destroy would then delete it with all that is in it.
 * @throws UserError E_NAMESPACE_FOREIGN, E_NAMESPACE_STUCK
 */
export async function freeNamespaces(
  kubeconfig: string,
  wanted: readonly WantedNamespace[],
  options: FreeNamespaceOptions,
): Promise<void> {
  const api = await openKubeApi(kubeconfig);
  try {
    // First those that are somebody's: to wait for the end of another would only delay the answer.
    for (const one of wanted) refuseForeign(await api.get<Found>(`/api/v1/namespaces/${one.name}`), one, options.owner);
    for (const one of wanted) await waitForEnd(api.get, one, options);
  } finally {
    api.close();
  }
}

function refuseForeign(found: Found | undefined, { name, key }: WantedNamespace, owner: Owner): void {
  if (!found || found.metadata.deletionTimestamp || found.metadata.labels?.[LABELS.owner] === owner.id) return;
  const stack = found.metadata.labels?.[LABELS.stack];
  throw new UserError("E_NAMESPACE_FOREIGN", {
    seen: `namespace ${name} exists, made by ${stack ? `stack ${stack} (owner ${found.metadata.labels?.[LABELS.owner]})` : "somebody else"}`,
    wanted: "a namespace of this stack's own",
    next: `pulumi config set --stack ${owner.stack} ${key} NAME`,
  });
}

async function waitForEnd(
  get: KubeApi["get"],
  one: WantedNamespace,
  { owner, timeout, tell, kubectl }: FreeNamespaceOptions,
): Promise<void> {
  const path = `/api/v1/namespaces/${one.name}`;
  let held: Holds | undefined;
  let looked = Date.now();
  await waitFor(
    async (): Promise<Look<true>> => {
      const found = await get<Found>(path);
      if (!found?.metadata.deletionTimestamp) {
        refuseForeign(found, one, owner);
        return { value: true };
      }
      if (held && Date.now() - looked < EXPLAINED_EVERY) return { reason: held.text };
      looked = Date.now();
      held = await holdsOf(get, one.name, kubectl);
      tell?.(
        `namespace ${one.name} is still being deleted: ${held.text}${held.holds[0]?.passing ? "" : `. Try: ${held.next}`}`,
      );
      return { reason: held.text };
    },
    { deadline: timeout * 1000, interval: 500 },
    (reason, seconds) =>
      new UserError("E_NAMESPACE_STUCK", {
        seen: `namespace ${one.name} is being deleted and still there after ${seconds} s: ${reason}`,
        wanted: "its end, or another name",
        next: `${held?.next ?? `${kubectl} describe namespace ${one.name}`}   (or another name: pulumi config set --stack ${owner.stack} ${one.key} NAME)`,
      }),
  );
}

/** Milliseconds between two looks at what holds a namespace. */
const EXPLAINED_EVERY = 10_000;
