/** Shorter texts are no secrets, and masking them would make evidence unreadable. */
const SHORTEST = 6;

/** The credentials that stand in a kubeconfig, as they stand there. */
export function credentialsIn(kubeconfig: string): string[] {
  return [
    ...kubeconfig.matchAll(
      /(?:client-key-data|client-certificate-data|token|password|id-token|refresh-token):\s*["']?([^\s"']{8,})/g,
    ),
  ].map((match) => match[1]!);
}

/** A function that replaces every one of these secrets, in clear and in base64, by `[secret]`. */
export function maskerOf(secrets: Iterable<string>): (text: string) => string {
  const plain = [...secrets].filter((secret) => secret.length >= SHORTEST);
  const forms = plain.flatMap((secret) => [
    secret,
    Buffer.from(secret).toString("base64"),
    JSON.stringify(secret).slice(1, -1),
    ...decoded(secret),
  ]);
  // The longest first: one that holds another would else be left in pieces.
  const ordered = [...new Set(forms)].sort((a, b) => b.length - a.length);
  return (text) => ordered.reduce((masked, secret) => masked.replaceAll(secret, "[secret]"), text);
}

/** What a secret is in clear where it is base64 itself, as in a kubeconfig or in a Secret of a cluster. */
function decoded(secret: string): string[] {
  if (!/^[A-Za-z0-9+/]{8,}={0,2}$/.test(secret) || secret.length % 4 !== 0) return [];
  const text = Buffer.from(secret, "base64").toString();
  return text.length >= SHORTEST && /^[\x20-\x7e\s]+$/.test(text) ? [text] : [];
}
