import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { execa, type ExecaReturnValue } from "execa";
import { problemsOfOutputs, type StackOutputs } from "../../infra/outputs";

const ROOT = resolve(__dirname, "../..");

/** The stack's outputs cannot be used. Code `E_OUTPUTS` or `E_STACK_NOT_UP` of `docs/errors.md`. */
export class OutputsError extends Error {
  constructor(
    readonly code: "E_OUTPUTS" | "E_STACK_NOT_UP",
    seen: string,
    wanted: string,
    next: string,
  ) {
    super(
      `${code}: ${code === "E_OUTPUTS" ? "The stack's outputs are not what the tests expect" : "The stack is not up"}\n  seen:   ${seen}\n  wanted: ${wanted}\n  next:   ${next}`,
    );
    this.name = "OutputsError";
    // The user must act, not read code: Jest prints the stack.
    this.stack = this.message;
  }
}

/**
 * The outputs of the stack under test: from the file that `BAY_E2E_OUTPUTS_FILE` names, else from
 * `pulumi stack output` of the stack that `BAY_E2E_STACK` names (default: the selected one).
 * @throws OutputsError when there are none, or when they are not a `StackOutputs`
 */
export async function readOutputs(env: NodeJS.ProcessEnv = process.env): Promise<StackOutputs> {
  const file = env["BAY_E2E_OUTPUTS_FILE"];
  const [source, text] = file
    ? [file, readFileSync(file, "utf8")]
    : ["pulumi stack output", await fromPulumi(env["BAY_E2E_STACK"])];
  return parseOutputs(source, text);
}

/** @param source says in the error where the text is from; the text itself, which holds secrets, is never shown */
export function parseOutputs(source: string, text: string): StackOutputs {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new OutputsError(
      "E_OUTPUTS",
      `${source} is not JSON`,
      "the stack's outputs as one JSON object",
      "npm run e2e -- up",
    );
  }
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  if (isObject && Object.keys(value as object).length === 0) {
    throw new OutputsError("E_STACK_NOT_UP", `${source} gave no outputs`, "a stack that is up", "npm run e2e -- up");
  }
  const problems = isObject
    ? problemsOfOutputs(value as Record<string, unknown>)
    : [`the outputs are ${value === null ? "null" : `a ${typeof value}`}`];
  if (problems.length > 0)
    throw new OutputsError("E_OUTPUTS", problems.join("; "), "every output of infra/outputs.ts", "npm run e2e -- up");
  return value as StackOutputs;
}

async function fromPulumi(stack: string | undefined): Promise<string> {
  const args = [
    "stack",
    "output",
    "--json",
    "--show-secrets",
    "--non-interactive",
    ...(stack ? ["--stack", stack] : []),
  ];
  // execa's types leave out the code of a program that could not be started.
  const { failed, code, stdout, stderr }: ExecaReturnValue & { code?: string } = await execa("pulumi", args, {
    cwd: ROOT,
    reject: false,
    timeout: 60_000,
    stdin: "ignore",
  });
  if (code === "ENOENT")
    throw new OutputsError(
      "E_STACK_NOT_UP",
      'no program "pulumi" on PATH',
      "the Pulumi CLI and a stack that is up",
      "npm run e2e -- up",
    );
  if (failed)
    throw new OutputsError(
      "E_STACK_NOT_UP",
      `pulumi ${args.join(" ")}: ${stderr.trim().split("\n").at(-1) ?? ""}`,
      "a stack that is up",
      "npm run e2e -- up",
    );
  return stdout;
}
