/** What the plugin needs to know of a kind of resource. */
import type { CheckFailure, ResourceLog, ValueMap } from "../../rpc";
import type { DockerClient } from "../daemon/client";
import type { RegistryAuth } from "../daemon/auth";
import type { Inputs } from "../inputs";
import type { Schema } from "../schema";

/** What an operation works with. */
export interface Scope {
  client: DockerClient;
  auths: readonly RegistryAuth[];
  log: ResourceLog;
  signal: AbortSignal;
}

export interface State {
  id: string;
  outputs: ValueMap;
}

/** A kind of resource that behaves as the bridge makes it: decisions by schema, work by these functions. */
export interface DockerResource {
  type: string;
  schema: Schema;
  /** A name is made up when the program gives none. Default true. */
  autoName?: false;
  /** Reasons against the inputs that the schema cannot tell. */
  problems?(inputs: Inputs): CheckFailure[];
  create(inputs: Inputs, scope: Scope): Promise<State>;
  /** The resource as it is, and the inputs with what was changed behind our back; undefined when it is gone. */
  read(id: string, inputs: Inputs, scope: Scope): Promise<(State & { inputs: ValueMap }) | undefined>;
  /** Absent when every change replaces. `changed` are the names of the inputs that differ. */
  update?(id: string, inputs: Inputs, changed: ReadonlySet<string>, scope: Scope): Promise<ValueMap>;
  remove(id: string, state: Inputs, scope: Scope): Promise<void>;
}
