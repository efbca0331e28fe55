import type { Stack } from "@pulumi/pulumi/automation";
import { bringUp } from "../../../cli/stack/stack";

const FORCE = "PULUMI_K8S_ENABLE_PATCH_FORCE";

describe("an up with --refresh", () => {
  afterEach(() => {
    Reflect.deleteProperty(process.env, FORCE);
  });

  test("forces patches for itself alone: the next operation of the process does not", async () => {
    const seen: (string | undefined)[] = [];
    const stack = {
      name: "no-such-stack",
      up: () => {
        seen.push(process.env[FORCE]);
        return Promise.resolve({ outputs: {} });
      },
    } as unknown as Stack;
    await bringUp(stack, { tell: () => undefined, refresh: true });
    await bringUp(stack, { tell: () => undefined });
    expect(seen).toEqual(["true", undefined]);
  });
});
