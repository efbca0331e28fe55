import { type BackendFacts, detectBackend, type Detection } from "../../infra/backends/detect";
import { UserError } from "../../infra/support/errors";
import { probeBackends } from "../probe/probe";
import { table } from "../table";

/** Prints what was found on this host and which backend follows from it. Exit code 2 where none does. */
export async function detectCommand({ json }: { json: boolean }): Promise<number> {
  const facts = await probeBackends();
  const found = decide(facts);
  if (json)
    process.stdout.write(
      `${JSON.stringify({ facts, ...("error" in found ? { error: { code: found.error.code, seen: found.error.seen, next: found.error.next } } : { decision: found }) }, null, 2)}\n`,
    );
  else
    process.stdout.write(`${factsTable(facts)}\n\n${"error" in found ? found.error.message : decisionTable(found)}\n`);
  return "error" in found ? 2 : 0;
}

function decide(facts: BackendFacts): Detection | { error: UserError } {
  try {
    return detectBackend(facts);
  } catch (error) {
    if (error instanceof UserError) return { error };
    throw error;
  }
}

function factsTable({ kubeconfig, context, allowedContexts, docker, kind }: BackendFacts): string {
  const rows: [string, string][] = [
    ["kubeconfig", kubeconfig.problem ?? kubeconfig.files.join(", ")],
    ["current context", context ? context.name : "none"],
    ...(context
      ? [
          [
            "its API server",
            `${context.server || "none"}${context.proxy ? ` through ${context.proxy}` : ""}: ${context.reachable ? "answers, " : ""}${context.answer}`,
          ] as [string, string],
        ]
      : []),
    ...(allowedContexts.length > 0 ? [["contexts allowed", allowedContexts.join(", ")] as [string, string]] : []),
    [
      "Docker",
      docker.version
        ? `${docker.version}${docker.rootless ? ", rootless" : ""}`
        : `${docker.problem ?? "no answer"}${docker.installable ? "; one can be installed here" : ""}`,
    ],
    ["kind", kind ?? "not on PATH"],
  ];
  return table(
    [
      { title: "fact", min: 15 },
      { title: "found", min: 30 },
    ],
    rows,
  );
}

function decisionTable({ backend, context, considered }: Detection): string {
  const rows = considered.map((entry) => [entry.backend, entry.verdict, entry.reason]);
  return `${table(
    [
      { title: "backend", min: 14 },
      { title: "verdict", min: 11 },
      { title: "why", min: 30 },
    ],
    rows,
  )}\n\nBackend ${backend}${context ? ` with context ${context}` : ""}. Another one: npm run up -- --backend NAME`;
}
