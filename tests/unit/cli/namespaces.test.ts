import type { ClusterAccess, DeleteOptions } from "../../../cli/cluster/access";
import { type ApiNamespace, beginRemoval, isOfThisHost, ownedNamespace } from "../../../cli/cluster/namespaces";
import { LABELS } from "../../../infra/naming";

const OWN = { [LABELS.owner]: "0123456789ab" };
const namespace = (more: Partial<ApiNamespace["metadata"]> = {}): ApiNamespace => ({
  metadata: { name: "ns", uid: "u1", resourceVersion: "7", labels: OWN, ...more },
});

/** A cluster whose namespace is, at each look, the next of these; a deletion of any but the last version is refused. */
function cluster(...states: (ApiNamespace | undefined)[]): {
  access: ClusterAccess;
  deleted: [string, DeleteOptions | undefined][];
} {
  const deleted: [string, DeleteOptions | undefined][] = [];
  const left = [...states];
  const get = (path: string) => {
    if (path.endsWith("/pods")) return Promise.resolve({ items: [{ metadata: { name: "p", uid: "p1" } }] });
    if (path.endsWith("/persistentvolumeclaims")) return Promise.resolve({ items: [] });
    return Promise.resolve(left.length > 1 ? left.shift() : left[0]);
  };
  const remove = (path: string, options?: DeleteOptions) => {
    deleted.push([path, options]);
    return Promise.resolve(
      path !== "/api/v1/namespaces/ns" ||
        options?.preconditions?.resourceVersion === states.at(-1)?.metadata.resourceVersion,
    );
  };
  return {
    deleted,
    access: {
      server: "",
      get,
      remove,
      text: () => Promise.resolve(""),
      merge: () => Promise.resolve(),
      close: () => undefined,
    } as unknown as ClusterAccess,
  };
}

describe("a namespace is deleted", () => {
  test("by its uid and its version, and its pods by theirs", async () => {
    const { access, deleted } = cluster(namespace());
    expect(await beginRemoval(access, ownedNamespace(namespace()))).toBe(true);
    expect(deleted).toEqual([
      ["/api/v1/namespaces/ns", { preconditions: { uid: "u1", resourceVersion: "7" } }],
      ["/api/v1/namespaces/ns/pods/p", { gracePeriodSeconds: 1, preconditions: { uid: "p1" } }],
    ]);
  });

  test("after another look where it was changed in that moment", async () => {
    const { access, deleted } = cluster(namespace(), namespace({ resourceVersion: "8" }));
    expect(await beginRemoval(access, ownedNamespace(namespace()))).toBe(true);
    expect(deleted.slice(0, 2).map(([, options]) => options?.preconditions?.resourceVersion)).toEqual(["7", "8"]);
  });

  test.each([
    ["it is another one of the name", namespace({ uid: "u2" })],
    ["its label was taken off", namespace({ labels: {} })],
    ["its label is another owner's", namespace({ labels: { [LABELS.owner]: "ba9876543210" } })],
  ])("never where %s", async (_, now) => {
    const { access, deleted } = cluster(now);
    expect(await beginRemoval(access, ownedNamespace(namespace()))).toBe(false);
    expect(deleted).toEqual([]);
  });
});

test("the same folder on another host made a namespace of that host, but for previews, whose owner is no folder", () => {
  const made = (host?: string, labels = {}) =>
    isOfThisHost({ labels, annotations: host === undefined ? {} : { [LABELS.host]: host } });
  expect([made(), made("elsewhere"), made("elsewhere", { "bay-e2e.dev/preview": "pr-1" })]).toEqual([
    true,
    false,
    true,
  ]);
});
