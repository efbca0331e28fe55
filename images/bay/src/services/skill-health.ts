import { now } from "../ids";
import type { ReleaseRow } from "../store/skills";
import type { Store } from "../store/store";

/** Beyond these a release is worse than the one before it; with fewer samples nothing is said. */
export const THRESHOLDS = { min_samples: 10, max_success_drop: 0.05, max_error_rate_multiplier: 2 } as const;
/** How long a release is watched that has no window of its own. */
const WINDOW_MS = 24 * 3_600_000;

interface Figures {
  samples: number;
  success: number;
  error: number;
  p95: number;
}

/** How the executions of a release (tag `release:ID`) went, beside those of the version before it. */
export function releaseHealth(store: Store, release: ReleaseRow) {
  const mine = figures(store, release.owner, release.id);
  const before = store.skills.releaseBefore(release);
  const base = before ? figures(store, release.owner, before.id) : { samples: 0, success: 0, error: 0, p95: 0 };
  const comparable = mine.samples >= THRESHOLDS.min_samples && base.samples >= THRESHOLDS.min_samples;
  const drop = comparable ? Math.max(0, base.success - mine.success) : 0;
  const multiplier = comparable && base.error > 0 ? mine.error / base.error : 0;
  const reasons = [
    ...(drop > THRESHOLDS.max_success_drop ? [`success rate fell by ${drop.toFixed(3)}`] : []),
    ...(multiplier > THRESHOLDS.max_error_rate_multiplier ? [`error rate grew ${multiplier.toFixed(1)} times`] : []),
  ];
  const windowEndAt = release.healthWindowEndAt ?? release.promotedAt + WINDOW_MS;
  return {
    mine,
    base,
    drop,
    multiplier,
    reasons,
    windowStartAt: release.promotedAt,
    windowEndAt,
    windowComplete: now() >= windowEndAt,
  };
}

function figures(store: Store, owner: string, releaseId: string): Figures {
  const rows = store.executionsTagged(owner, `release:${releaseId}`);
  const good = rows.filter(({ success }) => success).length;
  const times = rows.map(({ timeMs }) => timeMs).sort((a, b) => a - b);
  const share = (count: number): number => (rows.length === 0 ? 0 : count / rows.length);
  return {
    samples: rows.length,
    success: share(good),
    error: share(rows.length - good),
    p95: times[Math.min(times.length - 1, Math.floor(times.length * 0.95))] ?? 0,
  };
}
