import type { Circus } from "@jest/types";
import { lacks } from "../../support/lacking";
import { leaveOutReference, nameSkip } from "../../support/skips";

/** What Jest knows of a test when it is done, as far as it matters here. */
function done(...errors: unknown[]): Circus.TestEntry {
  return {
    type: "test",
    name: "shows a page",
    errors: errors.map((error) => [error, undefined]),
    status: "done",
  } as unknown as Circus.TestEntry;
}

function thrown(work: () => never): unknown {
  try {
    return work();
  } catch (error) {
    return error;
  }
}

const lacking = thrown(() => lacks("a browser"));

test("a test that lacks something is skipped, and its name says what", () => {
  const test = done(lacking);
  nameSkip(test);
  expect(test).toMatchObject({
    status: "skip",
    errors: [],
    name: "shows a page (skipped: this deployment lacks a browser)",
  });
});

test.each([
  ["nothing", []],
  ["a failure", [new Error("wrong")]],
  ["a failure of its clean-up too", [lacking, new Error("left behind")]],
])("a test with %s stays as it is", (_, errors) => {
  const test = done(...errors);
  nameSkip(test);
  expect(test).toMatchObject({ status: "done", name: "shows a page" });
  expect(test.errors).toHaveLength(errors.length);
});

test("what goes beyond the contract is left out by its marker, in its title or in one around it", () => {
  const of = (name: string) => ({ type: "test", name, mode: undefined });
  const [plain, marked, inside] = [of("plain"), of("better @reference @slow"), of("inside")];
  const root = {
    type: "describeBlock",
    name: "ROOT",
    children: [
      { type: "describeBlock", name: "a @core", children: [plain, marked] },
      { type: "describeBlock", name: "b @reference", children: [inside] },
    ],
  };
  leaveOutReference(root as unknown as Circus.DescribeBlock);
  expect([plain.mode, marked.mode, inside.mode]).toEqual([undefined, "skip", "skip"]);
  expect(marked.name).toContain("(skipped: beyond the contract");
});
