import type { Settings } from "../../infra/config";
import type { BackendName } from "../../infra/outputs";
import type { ErrorCode } from "../../infra/support/errors";
import type { DockerAnswer } from "../probe/docker";

/** `fail`: the stack cannot come up like this. `warn`: it can, and something will be missing, slow or at risk. */
export type Status = "ok" | "warn" | "fail";

/** What a check found, in words for a table. */
export interface Finding {
  status: Status;
  found: string;
  needed: string;
  /** A command or an act; nothing where all is well. */
  fix?: string;
  /** Code of the error that an `up` ends with; only a check of the preflight that failed has one. */
  code?: ErrorCode;
}

/** What is examined: a stack on this host. Facts that many checks need are asked for once. */
export interface Subject {
  stack: string;
  backend: BackendName;
  /** The stack's configuration; nothing where it has problems, which the check of that name tells. */
  settings?: Settings;
  configProblem?: string;
  docker: DockerAnswer;
  /** What comes from offline/ on this host because the official thing cannot be had. */
  standIns: readonly string[];
  env: NodeJS.ProcessEnv;
}

/** One thing that can be wrong; every file below `checks/` has the same sections. */
export interface CheckSpec<Facts> {
  name: string;
  /** Backends that it matters for; default all. */
  backends?: readonly BackendName[];
  /** Slow ones ask a server elsewhere; none of them is part of the preflight. */
  cost: "cheap" | "slow";
  /** Whether a failure breaks an `up` for certain, so that it is looked for before each. */
  preflight?: boolean;
  /** Looks; nothing but facts. Gives nothing where there is nothing to check. */
  probe(subject: Subject): Promise<Facts | undefined>;
  /** Judges the facts; pure. */
  judge(facts: Facts, subject: Subject): Finding;
}

/** A check as the doctor runs it. */
export type Check = Omit<CheckSpec<unknown>, "probe" | "judge"> & {
  run(subject: Subject): Promise<Finding | undefined>;
};

/** Ties a check's two halves together. */
export function check<Facts>(spec: CheckSpec<Facts>): Check {
  return {
    ...spec,
    run: async (subject) => {
      const facts = await spec.probe(subject);
      return facts === undefined ? undefined : spec.judge(facts, subject);
    },
  };
}

/** The backends whose nodes are containers that this project makes. */
export const NODE_BACKENDS = ["kind", "k3s"] as const satisfies readonly BackendName[];

/** Whether an `up` of the stack needs a Docker at all: for its nodes, or to build an image. */
export function needsDocker({ backend, settings }: Subject): boolean {
  return (
    (NODE_BACKENDS as readonly BackendName[]).includes(backend) ||
    settings === undefined ||
    settings.bayImage === "" ||
    settings.shipImage === ""
  );
}

export function ok(found: string, needed: string): Finding {
  return { status: "ok", found, needed };
}

export function warn(found: string, needed: string, fix: string): Finding {
  return { status: "warn", found, needed, fix };
}

/** @param code what an `up` would end with; only for checks of the preflight */
export function fail(found: string, needed: string, fix: string, code?: ErrorCode): Finding {
  return { status: "fail", found, needed, fix, ...(code ? { code } : {}) };
}
