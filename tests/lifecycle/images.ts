import { execFileSync } from "node:child_process";

/** An image with Node in it that is no node: the one of Bay, which every run builds. */
export function anyImage(): string {
  const images = execFileSync("docker", ["image", "ls", "--filter", "reference=bay-e2e/bay", "--format", "{{.Repository}}:{{.Tag}}"], { encoding: "utf8" });
  return images.split("\n")[0]!;
}
