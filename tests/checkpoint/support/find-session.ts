import { KubeConfig } from "@kubernetes/client-node";
import { existsSync } from "node:fs";
import { delimiter } from "node:path";
import { targetOfEnvironment } from "../../../cli/propagator/environment";
import { uniqueName } from "../../support/names";
import { readOutputs } from "../../support/outputs";
import type { CheckpointSession } from "./session";

/** What the tests' pods run where no stack has an image for them. */
const DEFAULT_IMAGE = "docker.io/library/python:3.13-bookworm";

/**
 * What is to be tested: the stack whose outputs the runner handed over; else the propagator that the environment names,
 * on the cluster of `KUBECONFIG`'s current context, with pods of `CHECKPOINT_IMAGE`; else the selected stack.
 * @throws Error where the environment names a propagator and no kubeconfig; OutputsError
 */
export async function findSession(env: NodeJS.ProcessEnv = process.env): Promise<CheckpointSession> {
  const namespace = uniqueName("checkpoint-tests");
  if (!env["BAY_E2E_OUTPUTS_FILE"] && targetOfEnvironment(env))
    return { kubeconfig: kubeconfigOfUser(env), namespace, image: env["CHECKPOINT_IMAGE"]?.trim() || DEFAULT_IMAGE };
  const outputs = await readOutputs(env);
  const {
    checkpoint: { source, reason },
    backend,
    kubeconfig,
    images,
  } = outputs;
  return {
    kubeconfig,
    namespace,
    image: images.ship.reference,
    outputs,
    ...(source === "none" ? { lacking: `a propagator (backend ${backend}: ${reason})` } : {}),
  };
}

/** All files of `KUBECONFIG`, or the user's own, as one text. They are read and never written. */
function kubeconfigOfUser(env: NodeJS.ProcessEnv): string {
  const files = (env["KUBECONFIG"]?.split(delimiter) ?? []).filter((file) => file !== "");
  const config = new KubeConfig();
  if (files.length === 0 && !existsSync(`${env["HOME"] ?? ""}/.kube/config`))
    throw new Error(
      "CEDANA_AUTH_TOKEN names a propagator, and no kubeconfig says where its cluster is: export KUBECONFIG=FILE",
    );
  config.loadFromDefault();
  return config.exportConfig();
}
