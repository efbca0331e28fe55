/** A release's inputs as flags of Helm's CLI. */
import type { ValueMap } from "../../rpc/values";
import { numberAt, textAt } from "../objects";

/**
 * Flags of `helm install` or `helm upgrade`.
 * @param inputs without markers
 * @param major Helm's major version: 4 has other names for some
 * @throws Error for what this Helm does not have
 */
export function flagsOf(verb: "install" | "upgrade", inputs: ValueMap, major: number): string[] {
  const on = (name: string): boolean => inputs[name] === true;
  const flag = (name: string, ...words: string[]): string[] => (on(name) ? words : []);
  const text = (name: string, word: string): string[] =>
    textAt(inputs, name) === "" ? [] : [word, textAt(inputs, name)];
  if (on("recreatePods") && major > 3)
    throw new Error('"recreatePods" is not in Helm 4; a checksum of the configuration on the pods does the same');
  const waits = !on("skipAwait");
  const common = [
    ...(waits ? ["--wait"] : []),
    ...(waits ? flag("waitForJobs", "--wait-for-jobs") : []),
    ...flag("atomic", major > 3 ? "--rollback-on-failure" : "--atomic"),
    ...flag("disableWebhooks", "--no-hooks"),
    ...flag("skipCrds", "--skip-crds"),
    ...flag("createNamespace", "--create-namespace"),
    ...flag("renderSubchartNotes", "--render-subchart-notes"),
    ...flag("disableOpenapiValidation", "--disable-openapi-validation"),
    ...text("description", "--description"),
    ...text("postrender", "--post-renderer"),
  ];
  if (verb === "install") return [...common, ...flag("replace", "--replace")];
  return [
    ...common,
    "--install",
    "--history-max",
    String(numberAt(inputs, "maxHistory") ?? 0),
    ...flag("cleanupOnFail", "--cleanup-on-fail"),
    ...flag("forceUpdate", major > 3 ? "--force-replace" : "--force"),
    ...flag("recreatePods", "--recreate-pods"),
    // Without values Helm would take the last ones; what is gone from the program must be gone from the release.
    on("reuseValues") && !on("resetValues") ? "--reuse-values" : "--reset-values",
  ];
}
