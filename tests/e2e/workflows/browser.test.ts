import { expectStatus } from "../../support/bay-client";
import { lacks } from "../../support/lacking";
import { bay, newSandbox, perTest } from "../../support/suite";

const mine = perTest();

describe("a page and its picture @workflows", () => {
  it("BRW-1 is served by the sandbox, opened in its browser, and measured from the downloaded picture @slow", async () => {
    const profile =
      expectStatus(await bay.profiles(), 200).items.find(({ capabilities }) => capabilities.includes("browser")) ??
      lacks("a profile with a browser");
    const sandbox = await newSandbox(mine, { profile: profile.id });
    expectStatus(await sandbox.writeFile("site/index.html", "<h1>here</h1>"), 200);
    expectStatus(
      await sandbox.python(
        "import subprocess; server = subprocess.Popen(['python3', '-m', 'http.server', '9000', '--directory', 'site'])",
      ),
      200,
    );
    expectStatus(
      await sandbox.browser("POST", "/exec_batch", {
        commands: ["open http://localhost:9000/", "screenshot /workspace/page.png"],
      }),
      200,
    );
    const picture = expectStatus(await sandbox.download("page.png"), 200);
    expect(picture.subarray(0, 8)).toEqual(Buffer.from("89504e470d0a1a0a", "hex"));
    const size = "import struct; print(*struct.unpack('>II', open('page.png', 'rb').read(24)[16:]))";
    expect(expectStatus(await sandbox.python(size), 200).output).toMatch(/^\d+ \d+$/);
  });
});
