import type { SECRET_OUTPUTS, StackOutputs } from "../../infra/outputs";
import { credentialsIn, maskerOf } from "../../infra/support/secrets";

export { describeObject, eventLines } from "../../infra/support/kube-text";

/** A function that replaces every secret of the outputs, in clear and in base64, by `[secret]`. */
export function maskOf(outputs: Pick<StackOutputs, (typeof SECRET_OUTPUTS)[number]>): (text: string) => string {
  return maskerOf([outputs.apiKey, outputs.propagatorToken, outputs.kubeconfig, ...credentialsIn(outputs.kubeconfig)]);
}
