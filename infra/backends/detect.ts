import type { BackendName } from "../outputs";
import { UserError } from "../support/errors";
import { DOCKER_DESKTOP_CONTEXTS, objectionTo } from "./local-contexts";

export { isLocalContext, isLocalServer, LOCAL_CONTEXTS, type LocalContext, objectionTo } from "./local-contexts";

/** The context that the stack `existing` would use: the one that its configuration names, else the current one. */
export interface ContextFact {
  name: string;
  /** URL of its API server; empty where the kubeconfig has no such cluster. */
  server: string;
  /** Requests go through this proxy (`proxy-url`), so the server's address says nothing about where it is. */
  proxy?: string;
  /** Whether anything answered there by HTTP, 401 and 403 included. */
  reachable: boolean;
  /** The answer, or why there was none, in a few words. */
  answer: string;
}

/** What was found on this host; `cli/probe/probe.ts` asks for it. */
export interface BackendFacts {
  kubeconfig: {
    /** Files that were looked for, in order. */
    files: string[];
    /** Why they could not be read. */
    problem?: string;
  };
  /** Nothing where there is none. */
  context?: ContextFact;
  /** Names that count as local beside the known ones, from the configuration of the stack `existing`. */
  allowedContexts: string[];
  docker: {
    /** Version of the daemon that answers; nothing where none does. */
    version?: string;
    /** A rootless daemon runs no privileged containers, which a k3s node needs. */
    rootless: boolean;
    /** Whether `npm run setup` can install and start a daemon where none answers. */
    installable: boolean;
    /** What `docker info` said in place of a version. */
    problem?: string;
  };
  /** Path of the `kind` program; nothing where there is none on PATH. */
  kind?: string;
}

/** One backend and what became of it. */
export interface Consideration {
  backend: BackendName;
  verdict: "chosen" | "passed over" | "not asked";
  /** Why, in a few words. */
  reason: string;
}

export interface Detection {
  backend: BackendName;
  /** The context that the backend uses, for those that use one that exists. */
  context?: string;
  /** Why this one, in one line: what was passed over, and what it has. */
  reason: string;
  /** All candidates in the order in which they are asked. */
  considered: Consideration[];
}

/** Why a backend fits, or why it does not. */
type Look = { fits: true; reason: string } | { fits: false; reason: string };

/** The candidates in the order of preference: a cluster that is there before one that must be made. */
const CANDIDATES: readonly { backend: BackendName; look: (facts: BackendFacts) => Look; usesContext: boolean }[] = [
  { backend: "docker-desktop", look: lookAtDockerDesktop, usesContext: true },
  { backend: "existing", look: lookAtExisting, usesContext: true },
  { backend: "kind", look: lookAtKind, usesContext: false },
  { backend: "k3s", look: lookAtK3s, usesContext: false },
];

/**
 * Chooses the backend for a host: the first candidate that fits. A cluster that exists is only taken where
 * its context is on the list of local ones and its server's address is a local one, so that a production
 * cluster that happens to be the current context is never used.
 * @throws UserError E_NO_BACKEND with all facts
 */
export function detectBackend(facts: BackendFacts): Detection {
  const looks = CANDIDATES.map((candidate) => ({ ...candidate, ...candidate.look(facts) }));
  const chosen = looks.findIndex((look) => look.fits);
  const considered = looks.map(({ backend, reason }, index): Consideration => ({
    backend,
    reason,
    verdict: index === chosen ? "chosen" : chosen >= 0 && index > chosen ? "not asked" : "passed over",
  }));
  const winner = looks[chosen];
  if (!winner) {
    throw new UserError("E_NO_BACKEND", {
      seen: `nothing to run on:\n${considered.map(({ backend, reason }) => `          - ${backend}: ${reason}`).join("\n")}`,
      wanted: "a local cluster in the current context, or a Docker that answers",
      next: "npm run doctor   (or: npm run up -- --backend kind|docker-desktop|existing|k3s)",
    });
  }
  return {
    backend: winner.backend,
    considered,
    reason: [...passedOver(facts, considered), winner.reason].join(", "),
    ...(winner.usesContext ? { context: facts.context!.name } : {}),
  };
}

/** The reasons worth a word: those of a missing context are one reason, not two. */
function passedOver(facts: BackendFacts, considered: Consideration[]): string[] {
  const reasons = considered.filter(
    ({ verdict, backend }) => verdict === "passed over" && !(backend === "docker-desktop" && !isDockerDesktop(facts)),
  );
  return [...new Set(reasons.map(({ reason }) => reason))];
}

function lookAtDockerDesktop(facts: BackendFacts): Look {
  if (!facts.context) return no(noContext(facts));
  if (!isDockerDesktop(facts)) return no(`the context is ${facts.context.name}`);
  return usable(facts.context, facts.allowedContexts);
}

function lookAtExisting(facts: BackendFacts): Look {
  return facts.context ? usable(facts.context, facts.allowedContexts) : no(noContext(facts));
}

function lookAtKind({ kind, docker }: BackendFacts): Look {
  if (!kind) return no("kind is not installed");
  return docker.version
    ? yes(`kind is installed (${kind})`)
    : no(`kind is installed, but no Docker answers (${docker.problem ?? "no answer"})`);
}

function lookAtK3s({ docker }: BackendFacts): Look {
  if (docker.version)
    return docker.rootless
      ? no(`Docker ${docker.version} is rootless: no privileged containers`)
      : yes(`Docker ${docker.version} can run a node`);
  return docker.installable
    ? yes("no Docker answers, but one can be installed here")
    : no(`no Docker answers (${docker.problem ?? "no answer"})`);
}

/** Whether a context may be used without anybody's word, and can be. */
function usable(context: ContextFact, allowed: readonly string[]): Look {
  const objection = objectionTo(context, allowed);
  if (objection !== undefined) return no(objection);
  const { name, server, reachable, answer } = context;
  return reachable
    ? yes(`context ${name} answers at ${server} (${answer})`)
    : no(`context ${name} does not answer at ${server} (${answer})`);
}

function isDockerDesktop({ context }: BackendFacts): boolean {
  return context !== undefined && DOCKER_DESKTOP_CONTEXTS.includes(context.name);
}

function noContext({ kubeconfig }: BackendFacts): string {
  return kubeconfig.problem ?? "no context";
}

function yes(reason: string): Look {
  return { fits: true, reason };
}

function no(reason: string): Look {
  return { fits: false, reason };
}
