import { join } from "node:path";

/** The checkout: the folder that holds Pulumi.yaml, beside whose `cli/` is the `dist/` that start.mjs makes of it. */
export const ROOT = join(__dirname, "..");

/** What runs keep beside the checkout: the local state backend, its passphrase. Ignored by git. */
export const STATE = join(ROOT, ".state");

/** Where runs leave their reports and evidence. Ignored by git. */
export const ARTIFACTS = join(ROOT, "artifacts");

/** The registry-only fallback; a checkout may be without it. */
export const OFFLINE = join(ROOT, "offline");
