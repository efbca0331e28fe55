import { execFileSync } from "node:child_process";

/**
 * An image with Node in it that is no node: the one of Bay, which every run builds.
 * @throws Error where no run did so yet
 */
export function anyImage(): string {
  const images = execFileSync(
    "docker",
    ["image", "ls", "--filter", "reference=bay-e2e/bay", "--format", "{{.Repository}}:{{.Tag}}"],
    { encoding: "utf8" },
  );
  const [image = ""] = images.split("\n");
  if (image === "") throw new Error("no image bay-e2e/bay on this host: npm run e2e -- -m core");
  return image;
}
