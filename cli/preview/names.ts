import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { shorten } from "../../infra/naming";
import { UserError } from "../../infra/support/errors";
import { writeWhole } from "../../infra/support/files";
import { ROOT, STATE } from "../paths";

/** The number of the pull request that a preview is of, by its name; nothing for any other preview. */
export function pullRequestOf(name: string): number | undefined {
  const [, number] = /^pr-(\d{1,9})$/.exec(name) ?? [];
  return number === undefined ? undefined : Number(number);
}

/**
 * Returns the name of a preview as it is kept: that of a branch or a person, in any script. Its stack and its namespace
 * get a DNS label made of it (`shorten`), which ends in six digits of the whole name where something had to be changed.
 * @throws UserError E_USAGE for a name with blanks, quotes and other characters that a shell takes for its own
 */
export function requirePreviewName(name: string): string {
  // A word that begins with # would be a comment in the commands that are printed.
  const kept = name.normalize("NFC").replace(/^#+/, "");
  if (/^[\p{L}\p{N}@][\p{L}\p{N}\p{M}_.,:=+~%@#/-]{0,99}$/u.test(kept)) return kept;
  throw new UserError("E_USAGE", {
    seen: `the name ${JSON.stringify(name)}`,
    wanted: "a letter or digit first, then letters, digits and any of - _ . , : = + ~ % @ # /, at most 100",
    next: `npm run preview -- up ${shorten(name, 40) || "pr-123"}`,
  });
}

/**
 * Whose previews this checkout makes: what `BAY_E2E_PREVIEW_OWNER` says, else the repository that it was cloned from,
 * in the form of a label. All checkouts of one repository have the same, so that a nightly job clears away what jobs of
 * pull requests made. A checkout of no repository has an owner of its own: users of one name, on two hosts or in two
 * folders, are not the same.
 */
export function previewOwner(env: NodeJS.ProcessEnv = process.env): string {
  const url = originUrl().trim();
  // A folder of this host names no repository: another host may have one of that name, too.
  const repository = /^(file:|[./~])/.test(url) ? "" : repositoryOf(url);
  return shorten(env["BAY_E2E_PREVIEW_OWNER"] || repository || checkoutOwner());
}

/**
 * What older versions called the owner where no repository was known; a preview whose state is here goes on under it.
 */
export function formerPreviewOwner(): string {
  return shorten(userInfo().username);
}

/** The user's name with digits that are made once for this checkout, and lie beside its state. */
function checkoutOwner(): string {
  const file = join(STATE, "preview-owner");
  if (!existsSync(file)) writeWhole(file, randomBytes(4).toString("hex"), 0o600);
  return `${userInfo().username}-${readFileSync(file, "utf8").trim()}`;
}

/** `owner/name` of a clone's URL, or of its path. */
export function repositoryOf(url: string): string {
  const [, path = ""] = /[:/]([^:/]+\/[^/]+?)(?:\.git)?\/*$/.exec(url.trim()) ?? [];
  return path;
}

function originUrl(): string {
  try {
    return execFileSync("git", ["config", "--get", "remote.origin.url"], {
      cwd: ROOT,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
  } catch {
    return "";
  }
}
