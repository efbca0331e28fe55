import { randomInt } from "node:crypto";
import { KEY, startBayOn } from "../../images/bay/test/support/bay-on";
import { FakeRuntime, OneRuntimeDriver } from "../../images/bay/test/support/fake-runtime";
import { pod } from "../../images/propagator/test/support/cluster";
import { Rig, TOKEN } from "../../images/propagator/test/support/propagator";
import { startShip } from "../../images/ship/test/support/start-ship";
import { fuzz, installSchemathesis, type Target } from "./schemathesis";

/** The seed of this run, or of one that is to be run again. */
const seed = Number(process.env["BAY_E2E_FUZZ_SEED"] ?? randomInt(2 ** 31));

describe(`Generated calls (BAY_E2E_FUZZ_SEED=${seed})`, () => {
  let program: string;
  beforeAll(async () => {
    program = await installSchemathesis();
  }, 400_000);

  const holds = async (target: Omit<Target, "seed">): Promise<void> => {
    const { code, report } = await fuzz(program, { ...target, seed });
    if (code !== 0)
      throw new Error(`schemathesis ended with ${code}; BAY_E2E_FUZZ_SEED=${seed}\n${report.slice(-6_000)}`);
    const [, selected] = /Selected: (\d+)/.exec(report) ?? [];
    const [, tested] = /Tested: (\d+)/.exec(report) ?? [];
    expect([report, Number(selected) > 5, tested]).toEqual([report, true, selected]);
  };

  test("find no 5xx in Bay, and refused ones make nothing", async () => {
    const runtime = new FakeRuntime();
    // Code is not run, and files are not kept: what a runtime answers is in other tests.
    const bay = await startBayOn(
      { profiles: [{ id: "python-default", image: "ship" }] },
      new OneRuntimeDriver(await runtime.listen()),
    );
    try {
      await holds({
        url: bay.url,
        key: KEY,
        seconds: 45,
        lists: [
          "/v1/sandboxes?limit=200",
          "/v1/cargos?limit=200",
          "/v1/cargos?limit=200&managed=true",
          "/v1/skills/candidates?limit=1",
          "/v1/skills/releases?limit=1",
        ],
      });
    } finally {
      await bay.stop();
      runtime.close();
    }
  }, 200_000);

  test("find no 5xx in Ship but what its contract says, and refused ones start nothing", async () => {
    const ship = await startShip();
    try {
      // Generated commands and code are not run on the host. What cannot be written or read as text is a 500 by
      // contract.
      await holds({
        url: ship.url,
        key: "none",
        seconds: 25,
        lists: ["/shell/processes"],
        leftOut: "/exec$|/ipython/kernel",
        byContract: 'writing failed|is not [^"]* text|no_space_left',
      });
    } finally {
      await ship.stop();
    }
  }, 200_000);

  test("find no 5xx in the propagator, and refused ones make nothing", async () => {
    const rig = await new Rig().start();
    try {
      rig.cluster.set(pod("web"));
      await holds({
        url: rig.propagator.url,
        key: TOKEN,
        seconds: 30,
        lists: ["/v2/cluster", "/v2/actions", "/v2/checkpoints?deprecated=true"],
      });
    } finally {
      await rig.stop();
    }
  }, 200_000);
});
