import type { CoreV1Event } from "@kubernetes/client-node";
import type { SECRET_OUTPUTS, StackOutputs } from "../../infra/outputs";

/** A function that replaces every secret of the outputs, in clear and in base64, by `[secret]`. */
export function maskOf(outputs: Pick<StackOutputs, (typeof SECRET_OUTPUTS)[number]>): (text: string) => string {
  const credentials = [...outputs.kubeconfig.matchAll(/(?:client-key-data|client-certificate-data|token|password|id-token|refresh-token):\s*["']?([^\s"']{8,})/g)].map((match) => match[1]!);
  const plain = [outputs.apiKey, outputs.kubeconfig, ...credentials].filter((secret) => secret !== "");
  const secrets = plain.flatMap((secret) => [secret, Buffer.from(secret).toString("base64")]);
  return (text) => secrets.reduce((masked, secret) => masked.replaceAll(secret, "[secret]"), text);
}

/** Events as `kubectl get events` shows them, oldest first. */
export function eventLines(events: readonly CoreV1Event[]): string {
  const time = (event: CoreV1Event): string => new Date(event.lastTimestamp ?? event.eventTime ?? event.metadata.creationTimestamp ?? 0).toISOString();
  return events
    .map((event) => ({ at: time(event), event }))
    .sort((a, b) => a.at.localeCompare(b.at))
    .map(({ at, event }) => `${at} ${event.type} ${event.reason} ${event.involvedObject.kind}/${event.involvedObject.name}: ${event.message}${(event.count ?? 1) > 1 ? ` (${event.count} times)` : ""}\n`)
    .join("");
}
