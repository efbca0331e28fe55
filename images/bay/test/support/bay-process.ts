import { startBayOn } from "./bay-on";
import { OneRuntimeDriver } from "./fake-runtime";

// Bay as a process of its own, whose sandboxes are all the runtime at RUNTIME_URL; changes of its configuration as JSON
// in CHANGES.
void startBayOn(
  JSON.parse(process.env["CHANGES"] ?? "{}") as object,
  new OneRuntimeDriver(process.env["RUNTIME_URL"]!),
).then(({ url }) => {
  process.stdout.write(`${JSON.stringify({ msg: "listening", url })}\n`);
});
