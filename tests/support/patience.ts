// A first call may start a pod, and one test may stop and start several. (Jest ignores a project's own `testTimeout`.)
jest.setTimeout(120_000);
