/** Releases on which an operation was cut off: Helm refuses to touch them ("another operation is in progress"). */
import { type HelmRecord, isCutOff } from "../../../../infra/support/helm-record";
import type { Cluster } from "../cluster";
import type { Helm } from "./cli";
import { forget, recordsOf } from "./records";

/** A release that may have to be put right. */
export interface Subject {
  cluster: Cluster;
  helm: Helm;
  /** All its revisions, oldest first. */
  records: HelmRecord[];
  /** Label that tells this resource's releases from others'. */
  owner: { key: string; value: string };
  /** Seconds for removing it. */
  timeout: number;
  signal: AbortSignal;
  tell: (line: string) => void;
}

/**
 * Puts right what a killed Helm left of this resource's release, and gives its revisions afterwards. A cut-off upgrade
 * is rolled back: what it had brought to objects would else stay there, because Helm takes away only what stood in the
 * revision before. Where there is nothing to go back to, after a first installation or a removal, the release is
 * removed. The engine lets one run at a time have a stack, so whoever had begun it is gone.
 * @throws Error for a release that somebody else has in hand
 */
export async function settleCutOff(subject: Subject): Promise<HelmRecord[]> {
  const { cluster, helm, records, owner, timeout, signal, tell } = subject;
  const last = records.at(-1);
  if (last === undefined || !isCutOff(last)) return records;
  if (!records.some(({ labels }) => labels[owner.key] === owner.value)) throw new Error(inHand(last));
  const { name, namespace } = last;
  const call = (...args: string[]) =>
    helm.remote({ args: [...args, "--namespace", namespace, "--timeout", `${timeout}s`], signal });
  const good = [...records].reverse().find(({ status }) => status === "deployed" || status === "superseded");
  if (last.status === "uninstalling" || good === undefined) {
    tell(`the release was cut off (${last.status}): removing what is there of it`);
    await call("uninstall", name, "--wait");
    return [];
  }
  tell(
    `revision ${last.revision} of the release was cut off (${last.status}): going back to revision ${good.revision} first`,
  );
  // A rollback compares with the newest revision: that must be the one that changed things, not an earlier way back.
  for (const record of [...records].reverse()) {
    if (record.status !== "pending-rollback") break;
    await forget(cluster, record);
  }
  await call("rollback", name, String(good.revision), "--no-hooks", "--cleanup-on-fail");
  return recordsOf(cluster, namespace, name, signal);
}

function inHand({ name, namespace, revision, status }: HelmRecord): string {
  return [
    `the release ${namespace}/${name} is not this resource's, and an operation on it is under way or was cut off (revision ${revision}, ${status}). Ways out:`,
    `  - somebody works on it: wait until \`helm status ${name} -n ${namespace}\` says something else;`,
    `  - nobody does: \`helm rollback ${name} -n ${namespace}\` to an earlier revision, or \`helm uninstall ${name} -n ${namespace}\`.`,
  ].join("\n");
}
