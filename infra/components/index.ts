/**
 * What other Pulumi programs may use: components that take their names, images and provider as arguments and read
 * neither configuration nor files. docs/platform.md says how to start, `examples/` has programs that do it.
 */
export { Access, BAY_RULES, type AccessArgs } from "./access";
export { Bay, type BayArgs } from "./bay";
export { BayConfig, type BayConfigArgs, type BayConfiguration } from "./bay-config";
export { METRICS_PORT, PORT, type BayContainerArgs, type OpenPodSpec } from "./bay-pod";
export type { ComponentOptions, Draft, Labels, Metadata, ObjectArgs, Transform } from "./component";
export { clusterDnsOf, DEFAULT_DNS, type ClusterDns } from "./dns";
export { BayEnvironment, type BayEnvironmentArgs } from "./environment";
export { Images, type ImagesArgs, type ImageSource } from "./images";
export { Namespace, type NamespaceArgs } from "./namespace";
export { Network, type NetworkArgs } from "./network";
export type { Peer } from "./peers";
export { DEFAULT_PROFILES, type Profile, type ProfileContainer, type Resources } from "./profiles";
export { rehearsed, type RehearsalArgs } from "./rehearsal";
export { PullSecret, type PullSecretArgs, type Registry } from "./registry";
export { loadInto } from "../backends/node-images";
export { endOnRejection } from "../support/end-on-rejection";
