import { createHmac } from "node:crypto";
import type { V1Secret } from "@kubernetes/client-node";
import type { Kube } from "./kube";

/**
 * The token by which a session's runtime knows Bay, made as Bay makes it from the Secret of the stack.
 * @param pod name of Bay's pod
 * @returns undefined where the stack has no such Secret: then its runtimes ask for none
 */
export async function shipToken(
  kube: Kube,
  namespace: string,
  pod: string,
  sessionId: string,
): Promise<string | undefined> {
  const secret = await kube.read<V1Secret>({
    apiVersion: "v1",
    kind: "Secret",
    metadata: { namespace, name: `${pod}-session-key` },
  });
  const key = secret?.data?.["session-key"];
  return key === undefined
    ? undefined
    : createHmac("sha256", Buffer.from(key, "base64").toString()).update(`ship${sessionId}`).digest("base64url");
}
