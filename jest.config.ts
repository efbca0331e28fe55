import type { Config } from "jest";

/** ESM-only packages that Jest must compile; see docs/architecture.md, "Modules". */
const esm = ["@kubernetes/client-node", "openid-client", "oauth4webapi", "jose", "jsonpath-plus", "execa", "p-retry", "is-network-error", "env-paths", "is-safe-filename"];

const shared = {
  testEnvironment: "node",
  transform: { "^.+\\.[jt]s$": ["ts-jest", { tsconfig: "tests/tsconfig.json", isolatedModules: true, diagnostics: false }] },
  transformIgnorePatterns: [`/node_modules/(?!(${esm.join("|")})/)`],
} satisfies Config["projects"] extends (infer P)[] | undefined ? Partial<Exclude<P, string>> : never;

const config: Config = {
  projects: [
    { ...shared, displayName: "unit", testMatch: ["<rootDir>/tests/unit/**/*.test.ts", "<rootDir>/images/*/test/**/*.test.ts"] },
    { ...shared, displayName: "offline", testMatch: ["<rootDir>/offline/**/*.test.ts"] },
    { ...shared, displayName: "e2e", testMatch: ["<rootDir>/tests/e2e/**/*.test.ts"], globalSetup: "<rootDir>/tests/support/global-setup.ts", globalTeardown: "<rootDir>/tests/support/global-teardown.ts" },
  ],
};

export default config;
