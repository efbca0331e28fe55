/** Check: the program's inputs made complete. */
import { notImplemented } from "../rpc/errors";
import type { CheckRequest, CheckResult } from "../rpc/requests";
import type { ValueMap } from "../rpc/values";
import type { Cluster } from "./cluster";
import { keepSecrets, toObject } from "./checkpoint";
import { withName } from "./names";
import { normalize } from "./normalize";
import { apiVersionOf, at, gvkOfType, kindOf, namespaceOf, withMetadata } from "./objects";

/** The inputs with name and namespace, in the API server's form, with their secret markers. */
export async function check(cluster: Cluster, request: CheckRequest): Promise<CheckResult> {
  refuseOtherKinds(request.type);
  const unreachable = await cluster.unreachable();
  if (unreachable !== undefined && cluster.config.skipUpdateUnreachable && Object.keys(request.olds).length > 0)
    return { inputs: request.olds };
  const named = withName(normalize(complete(toObject(request.news), request.type)), {
    ...request,
    olds: toObject(request.olds),
  });
  const inputs = await withNamespace(cluster, named);
  return { inputs: keepSecrets(inputs, request.news), failures: failuresOf(inputs) };
}

/** The SDK sets both; programs in YAML may leave them out. */
function complete(object: ValueMap, type: string): ValueMap {
  const gvk = gvkOfType(type);
  return { ...object, apiVersion: object.apiVersion ?? apiVersionOf(gvk), kind: object.kind ?? gvk.kind };
}

async function withNamespace(cluster: Cluster, object: ValueMap): Promise<ValueMap> {
  const given = at(object, "metadata", "namespace");
  if (given !== undefined && given !== "") return object;
  return (await cluster.isNamespaced(object)) ? withMetadata(object, "namespace", cluster.defaultNamespace) : object;
}

function failuresOf(object: ValueMap): { property: string; reason: string }[] {
  const failures = [];
  if (typeof at(object, "metadata", "namespace") === "number")
    failures.push({ property: "metadata.namespace", reason: "must be a text" });
  if (kindOf(object) === "Namespace" && namespaceOf(object) !== "")
    failures.push({ property: "metadata.namespace", reason: "a Namespace lives in no namespace" });
  return failures;
}

/** What needs more than one object of the API. */
function refuseOtherKinds(type: string): void {
  const { group, kind } = gvkOfType(type);
  // Releases have been sorted out before; the other types of Helm are components of the SDK.
  const special = group === "helm.sh" || group === "kustomize.config.k8s.io" || group === "yaml";
  if (special || (kind.endsWith("Patch") && !group.includes("."))) throw notImplemented(`the resource type "${type}"`);
  if (kind.endsWith("List")) throw new Error(`"${type}" is a list; declare its items one by one`);
}
