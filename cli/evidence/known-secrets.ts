import { existsSync, readFileSync } from "node:fs";
import type { StackOutputs } from "../../infra/outputs";
import { tryRun } from "../../infra/support/exec";
import { credentialsIn } from "../../infra/support/secrets";
import { ROOT } from "../paths";
import { secretsOf, type StackState } from "../stack/stack-state";

/** Variables whose values are secrets by their names. */
const SECRET_NAME = /TOKEN|PASSWORD|PASSPHRASE$|SECRET|API_?KEY|ACCESS_KEY/i;

/**
 * Every secret that could stand in what a run leaves: of the state, the outputs, the configuration, the
 * kubeconfig, the passphrase and the environment.
 */
export async function allSecrets(
  stack: string,
  known: { state?: StackState | undefined; outputs?: StackOutputs | undefined; kubeconfig?: string | undefined },
  signal?: AbortSignal,
): Promise<string[]> {
  const kubeconfigs = [known.kubeconfig, known.outputs?.kubeconfig].filter((text) => text !== undefined);
  const passphrase = process.env["PULUMI_CONFIG_PASSPHRASE_FILE"];
  const found = [
    ...(known.state ? secretsOf(known.state) : []),
    ...(known.outputs ? [known.outputs.apiKey, known.outputs.propagatorToken] : []),
    ...kubeconfigs,
    ...(passphrase && existsSync(passphrase) ? [readFileSync(passphrase, "utf8").trim()] : []),
    ...Object.entries(process.env)
      .filter(([name]) => SECRET_NAME.test(name))
      .map(([, value]) => value ?? ""),
    ...(await configSecrets(stack, signal)),
  ];
  return [...found, ...found.filter((text) => text.includes("apiVersion")).flatMap(credentialsIn)];
}

async function configSecrets(stack: string, signal: AbortSignal | undefined): Promise<string[]> {
  const { exitCode, stdout } = await tryRun(["pulumi", "config", "--json", "--show-secrets", "--stack", stack], {
    cwd: ROOT,
    timeout: 15_000,
    ...(signal ? { signal } : {}),
  }).catch(() => ({ exitCode: 1, stdout: "" }));
  if (exitCode !== 0) return [];
  return Object.values(JSON.parse(stdout) as Record<string, { value?: string; secret: boolean }>)
    .filter(({ secret }) => secret)
    .map(({ value }) => value ?? "");
}
