import { eventLines, maskOf } from "../../support/evidence-text";

const base64 = (text: string): string => Buffer.from(text).toString("base64");

describe("evidence", () => {
  it("masks the key and the kubeconfig's credentials, in clear and in base64", () => {
    const kubeconfig =
      'users:\n- name: admin\n  user:\n    client-key-data: cGxhbnRlZC1rZXktZGF0YQ==\n    token: "planted-token"\n';
    const mask = maskOf({ apiKey: "planted-api-key", propagatorToken: "planted-propagator-token", kubeconfig });
    const text = [
      "planted-api-key",
      "planted-propagator-token",
      base64("planted-api-key"),
      "cGxhbnRlZC1rZXktZGF0YQ==",
      "planted-token",
      base64("planted-token"),
      kubeconfig,
    ].join(" ");
    const masked = mask(`before ${text} after`);
    expect(masked).toMatch(/^before (\[secret\]\s?)+ after$/);
  });

  it("changes nothing else, also when the key is empty", () => {
    expect(maskOf({ apiKey: "", propagatorToken: "", kubeconfig: "" })("nothing secret")).toBe("nothing secret");
  });

  it("shows events oldest first, with how often each came", () => {
    const involvedObject = { kind: "Pod", name: "bay" };
    const event = (
      lastTimestamp: string,
      reason: string,
      count?: number,
    ): Parameters<typeof eventLines>[0][number] => ({
      metadata: {},
      involvedObject,
      type: "Warning",
      reason,
      message: "a message",
      lastTimestamp: new Date(lastTimestamp),
      ...(count === undefined ? {} : { count }),
    });
    expect(eventLines([event("2026-01-01T00:00:02Z", "BackOff", 3), event("2026-01-01T00:00:01Z", "Pulled")])).toBe(
      "2026-01-01T00:00:01.000Z Warning Pulled Pod/bay: a message\n2026-01-01T00:00:02.000Z Warning BackOff Pod/bay: a message (3 times)\n",
    );
  });
});
