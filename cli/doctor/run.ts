import { UserError } from "../../infra/support/errors";
import { type Check, check, type Finding, type Subject } from "./check";
import { checkpointing } from "./checks/checkpoint";
import { configuration } from "./checks/configuration";
import { context } from "./checks/context";
import { cacheDisk, dockerDisk, temporaryDisk } from "./checks/disk";
import { dockerAnswers, dockerClock, dockerPrivileged, imageStore } from "./checks/docker";
import { clusterLimits } from "./checks/limits";
import { cgroup, inotify, memory, openFiles, processors, resourceCapability } from "./checks/machine";
import { kernelNetwork, ports, proxies } from "./checks/network";
import { registries } from "./checks/registries";
import { rights } from "./checks/rights";
import { secrets } from "./checks/secrets";
import { tools } from "./checks/tools";

/** Every check, in the order of the table. */
export const CHECKS: readonly Check[] = [
  check(configuration),
  check(secrets),
  check(context),
  check(rights),
  check(dockerAnswers),
  check(dockerPrivileged),
  check(imageStore),
  check(dockerClock),
  check(dockerDisk),
  check(cacheDisk),
  check(temporaryDisk),
  check(memory),
  check(processors),
  check(cgroup),
  check(inotify),
  check(openFiles),
  check(resourceCapability),
  check(kernelNetwork),
  check(ports),
  check(proxies),
  check(registries),
  ...tools.map((tool) => check(tool)),
  check(checkpointing),
  check(clusterLimits),
];

/** A finding and the check that it is of. */
export type Row = Finding & { name: string };

/** Runs those checks that matter for the subject's backend, at once, and gives their findings in order. */
export async function examine(subject: Subject, checks: readonly Check[] = CHECKS): Promise<Row[]> {
  const relevant = checks.filter(({ backends }) => backends === undefined || backends.includes(subject.backend));
  const findings = await Promise.all(
    relevant.map(async (one) => ({ name: one.name, finding: await one.run(subject) })),
  );
  return findings.flatMap(({ name, finding }) => (finding ? [{ name, ...finding }] : []));
}

/**
 * One error for all that would break an `up`.
 * @returns nothing where all is well
 */
export function problemOf(rows: readonly Row[]): UserError | undefined {
  const failed = rows.filter(({ status, code }) => status === "fail" && code !== undefined);
  const [first, ...others] = failed;
  if (!first) return undefined;
  const detail = others
    .map(({ code, found, needed, fix }) => `${code!}: ${found}\n  wanted: ${needed}\n  next:   ${fix ?? ""}`)
    .join("\n");
  return new UserError(first.code!, {
    seen: first.found,
    wanted: first.needed,
    next: first.fix ?? "npm run doctor",
    ...(others.length > 0 ? { detail: `and ${others.length} more:\n${detail}` } : {}),
  });
}
