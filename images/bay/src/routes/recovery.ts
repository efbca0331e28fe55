import type { FastifyInstance } from "fastify";
import { int, nullable, oneOf, or, readBody, strings } from "../http/fields";
import { isoTime } from "../ids";
import { ADOPT_AS } from "../services/adoption";
import { fromDriver } from "../services/failures";
import type { Services } from "../services/services";
import type { SetAsideItem } from "../services/set-aside";

const ACCESS = { admin: true, keyed: true };
const ADOPT = {
  ids: nullable(strings()),
  as: or(oneOf(ADOPT_AS), "auto" as const),
  ttl: nullable(int({ ge: 1, le: 100 * 365 * 86_400 })),
};

/** What the database knows nothing of, and how its files are found again. */
export function recoveryRoutes(app: FastifyInstance, { recovery, context }: Services): void {
  const { grace_seconds, remove_unknown, max_share } = context.config.recovery;

  app.get(
    "/v1/admin/recovery",
    { config: { ...ACCESS, summary: "List volumes and pods that the database does not know" } },
    async () => {
      const { items, volumes } = await recovery.setAside().catch(clusterFailed);
      return {
        volumes,
        grace_seconds,
        remove_unknown,
        max_share,
        items: items.map((item) => itemView(item, grace_seconds, remove_unknown)),
      };
    },
  );

  app.post(
    "/v1/admin/recovery/adopt",
    { config: { ...ACCESS, json: "fields", body: ADOPT, summary: "Make such volumes usable again" } },
    async (request) => {
      const { ids, as, ttl } = readBody(request, ADOPT);
      return recovery.adopt(ids, as, ttl).catch(clusterFailed);
    },
  );
}

function clusterFailed(error: unknown): never {
  throw fromDriver(error, "");
}

function itemView(item: SetAsideItem, graceSeconds: number, removeUnknown: boolean): object {
  const left = Math.max(0, graceSeconds - item.waitedMs / 1000);
  const { owner, sandboxId, profileId } = item.kind === "volume" ? item.volume : item.session;
  const removable = removeUnknown && (item.kind === "session" || item.volume.managed);
  return {
    kind: item.kind,
    id: item.id,
    cargo_id: item.kind === "volume" ? item.id : item.session.cargoId,
    sandbox_id: sandboxId,
    profile: profileId,
    owner,
    managed: item.kind === "session" || item.volume.managed,
    made_at: item.kind === "volume" && item.volume.createdAt !== null ? isoTime(item.volume.createdAt) : null,
    set_aside_at: isoTime(item.since),
    removable_in_seconds: removable ? Math.ceil(left) : null,
  };
}
