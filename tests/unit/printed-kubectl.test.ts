import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(__dirname, "../..");
const sources = ["cli", "infra"].flatMap((folder) =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .filter((file) => /\.(ts|mjs)$/.test(file) && !file.includes("node_modules"))
    .map((file) => join(folder, file)),
);

/** What reads the user's own kubeconfig on purpose: it shows which entries there are. */
const OWN_KUBECONFIG = /^kubectl config /;

test("no message prints a kubectl command that would go to whichever cluster is current", () => {
  expect(sources.length).toBeGreaterThan(100);
  const printed = sources.flatMap((file) =>
    readFileSync(join(ROOT, file), "utf8")
      .split("\n")
      .flatMap((line, index) => {
        // The word in a string or a template, in front of a verb of kubectl's.
        const commands = [
          ...line.matchAll(
            /["'`(]\s*(kubectl (?:get|describe|delete|logs|patch|apply|auth|exec|version|edit|create|top|rollout|--namespace|-n)\b[^"'`]*)/g,
          ),
        ].map((match) => match[1]!);
        const code = !/^\s*(\*|\/\/|\/\*\*)/.test(line);
        return code
          ? commands
              .filter((command) => !OWN_KUBECONFIG.test(command))
              .map((command) => `${file}:${index + 1}: ${command}`)
          : [];
      }),
  );
  expect(printed).toEqual([]);
});
