import { pasteable, run } from "../../../infra/support/exec";
import { plainSecretsIn, type PlainSecret } from "../../stack/plain-secrets";
import { readStackFile, stackFilePath } from "../../stack/stack-file";
import { ROOT } from "../../paths";
import { type CheckSpec, fail, ok, warn } from "../check";

export interface SecretFacts {
  stack: string;
  plain: readonly PlainSecret[];
  /** Whether git has the file: what is committed is read by all who have the repository, and stays in its history. */
  tracked: boolean;
}

/** Secrets that stand in clear in the stack's file. */
export const secrets: CheckSpec<SecretFacts> = {
  name: "secrets",
  cost: "cheap",
  preflight: true,
  probe: async ({ stack }) => {
    const file = readStackFile(stack);
    if (!file) return undefined;
    const plain = plainSecretsIn(file.config);
    return { stack, plain, tracked: plain.length > 0 && (await isTracked(stackFilePath(stack))) };
  },
  judge: ({ stack, plain, tracked }) => {
    const needed = "no secret in clear in a file that git has";
    if (plain.length === 0) return ok("none in clear", needed);
    const found = `stacks/Pulumi.${stack}.yaml has ${plain.map(({ path }) => path).join(", ")} in clear${tracked ? ", and git has the file" : ""}`;
    const fix = plain.map(({ path }) => commandFor(path, stack)).join(" && ");
    return tracked && plain.some(({ certain }) => certain)
      ? fail(
          found,
          needed,
          `${fix}   (it asks for the value; then replace what was committed: it stays in git's history)`,
          "E_SECRET_IN_CLEAR",
        )
      : warn(found, needed, fix);
  },
};

/**
 * The command that replaces a value by an encrypted one; it asks for the value, which so gets into no shell's history.
 */
function commandFor(path: string, stack: string): string {
  return pasteable([
    "pulumi",
    "config",
    "set",
    "--secret",
    ...(/[.[]/.test(path) ? ["--path"] : []),
    path,
    "--stack",
    stack,
  ]);
}

/** Whether git has a file. Without git, or outside of a repository, nobody gets it by a push. */
async function isTracked(file: string): Promise<boolean> {
  return run(["git", "-C", ROOT, "ls-files", "--error-unmatch", "--", file], { timeout: 10_000 }).then(
    () => true,
    () => false,
  );
}
