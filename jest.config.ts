/**
 * Projects by folder. `npx jest --selectProjects unit` needs nothing; `e2e`, `checkpoint` and `hostile` need a stack
 * that is up; `offline` needs Docker and is run by itself.
 *
 * @jest-config-loader ts-node
 * @jest-config-loader-options {"transpileOnly": true}
 */
import { realpathSync } from "node:fs";
import { join } from "node:path";
import type { Config } from "jest";

/** ESM-only packages that Jest must compile; see docs/architecture.md, "Modules". */
const esm = [
  "@kubernetes/client-node",
  "openid-client",
  "oauth4webapi",
  "jose",
  "jsonpath-plus",
  "execa",
  "npm-run-path",
  "path-key",
  "onetime",
  "mimic-fn",
  "human-signals",
  "is-stream",
  "strip-final-newline",
  "get-stream",
  "p-retry",
  "is-network-error",
  "is-safe-filename",
];

/**
 * Test files below a folder, as an expression: in a glob of Jest's a checkout's own folder, such as `[branch]`, would
 * count as a pattern.
 */
const below = (folder: string) =>
  `^${realpathSync(__dirname).replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")}/${folder}\\.test\\.ts$`;

const shared = {
  testEnvironment: "<rootDir>/tests/support/selecting-environment.ts",
  // gRPC's generated code keeps what it put on the global object; Jest's cleaning of it only makes warnings.
  testEnvironmentOptions: { globalsCleanup: "off" },
  transform: { "^.+\\.[jt]s$": ["ts-jest", { tsconfig: "tests/tsconfig.json", diagnostics: false }] },
  transformIgnorePatterns: [`/node_modules/(?!(${esm.join("|")})/)`],
} satisfies Config["projects"] extends (infer P)[] | undefined ? Partial<Exclude<P, string>> : never;

/** JUnit XML goes where `BAY_E2E_JUNIT` says, else into the run's folder when the runner named one. */
const folder = process.env["BAY_E2E_ARTIFACTS"];
const junit = process.env["BAY_E2E_JUNIT"] ?? (folder && join(folder, "junit.xml"));

const config: Config = {
  // Tests of the e2e project wait more than they compute: more workers than cores pay off.
  maxWorkers: 4,
  // A first call may start a pod, and one test may stop and start several. Jest takes this for all projects or none.
  testTimeout: 120_000,
  reporters: [
    "default",
    ...(junit
      ? [
          ["jest-junit", { outputFile: junit, ancestorSeparator: " › ", addFileAttribute: "true" }] as [
            string,
            Record<string, string>,
          ],
        ]
      : []),
  ],
  projects: [
    { ...shared, displayName: "unit", testRegex: [below("tests/unit/.*"), below("images/[^/]+/test/.*")] },
    // Generated calls against the services, by a tool from a registry of Python packages.
    { ...shared, displayName: "fuzz", testRegex: [below("tests/fuzz/.*")] },
    // Minutes, not seconds: each test brings the whole stack up and takes it down again.
    { ...shared, displayName: "lifecycle", testRegex: [below("tests/lifecycle/[^/]+")] },
    // Clusters of each backend, each used in several ways.
    { ...shared, displayName: "backends", testRegex: [below("tests/backends/[^/]+")] },
    { ...shared, displayName: "offline", testRegex: [below("offline/.*")] },
    {
      ...shared,
      // Outside the tests' module registry Node itself requires ESM packages; nothing needs to be compiled.
      transformIgnorePatterns: ["/node_modules/"],
      displayName: "e2e",
      testRegex: [below("tests/e2e/.*")],
      testEnvironment: "<rootDir>/tests/support/environment.ts",
      globalSetup: "<rootDir>/tests/support/global-setup.ts",
      globalTeardown: "<rootDir>/tests/support/global-teardown.ts",
      setupFilesAfterEnv: ["<rootDir>/tests/support/patience.ts"],
    },
    {
      ...shared,
      displayName: "hostile",
      testRegex: [below("tests/hostile/.*")],
      testEnvironment: "<rootDir>/tests/hostile/support/environment.ts",
      globalSetup: "<rootDir>/tests/support/global-setup.ts",
      globalTeardown: "<rootDir>/tests/support/global-teardown.ts",
      setupFilesAfterEnv: ["<rootDir>/tests/support/patience.ts"],
    },
    {
      ...shared,
      displayName: "checkpoint",
      testRegex: [below("tests/checkpoint/.*"), below("tests/environment/.*")],
      testEnvironment: "<rootDir>/tests/checkpoint/support/environment.ts",
      globalSetup: "<rootDir>/tests/checkpoint/support/global-setup.ts",
      globalTeardown: "<rootDir>/tests/checkpoint/support/global-teardown.ts",
      setupFilesAfterEnv: ["<rootDir>/tests/support/patience.ts"],
    },
  ],
};

export default config;
