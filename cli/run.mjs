// The runner's process: TypeScript from here on.
import { createRequire } from "node:module";
import { register } from "tsx/cjs/api";

register();
createRequire(import.meta.url)("./main.ts");
