// Jest loads sequencers without compiling them, hence no TypeScript. `--randomize` shuffles the tests of each file by
// the seed; this orders the files by it too, so that a seed stands for one order of all.
import { createHash } from "node:crypto";
import { relative } from "node:path";
import Sequencer from "@jest/test-sequencer";

export default class RandomSequencer extends Sequencer {
  constructor(options) {
    super(options);
    this.config = options.globalConfig;
  }

  sort(tests) {
    const { seed, rootDir } = this.config;
    const rank = (test) =>
      createHash("sha256")
        .update(`${seed} ${relative(rootDir, test.path)}`)
        .digest("hex");
    return [...tests]
      .map((test) => ({ test, rank: rank(test) }))
      .sort((a, b) => (a.rank < b.rank ? -1 : 1))
      .map(({ test }) => test);
  }
}
