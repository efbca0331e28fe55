/** A plugin for the tests of the server. */
import { InitFailedError, Secret, servePlugin, UNKNOWN } from "..";

void servePlugin({
  version: "1.2.3",
  handlers: {
    check: ({ news, type, name }) => ({
      inputs: { ...news, type, name },
      failures: [{ property: "a", reason: "because" }],
    }),
    diff: () => ({
      changes: true,
      detailed: { "spec.a[0]": { kind: "update-replace" }, b: { kind: "add" } },
      replaces: ["spec"],
      deleteBeforeReplace: true,
    }),
    create: ({ properties }, { log }) => {
      for (let line = 0; line < 50; line++) log.status(`line ${line}`);
      log.warn("take care");
      return {
        id: "id-1",
        properties: { ...properties, token: new Secret("t"), later: UNKNOWN, large: "x".repeat(8 << 20) },
      };
    },
    update: () => {
      throw new InitFailedError("not ready", {
        id: "id-1",
        properties: { big: "y".repeat(20_000) },
        reasons: ["first", "second"],
      });
    },
    delete: async (_request, { signal }) => {
      await new Promise<void>((resolve) => {
        signal.addEventListener("abort", () => {
          resolve();
        });
      });
      throw signal.reason as Error;
    },
  },
});
