/** The memory for calls is in use: the caller may try again. */
export class OverBudget extends Error {}

/** Holds up to this many bytes may use all of a budget. */
const SMALL = 256 * 1024;
/** Larger ones leave a part of it to them. */
const FOR_LARGE = 0.75;
const FOR_THE_ONLY_ONE = 0.92;
/** Of which one owner may have so much while it has more than one large hold. */
const FOR_ONE_OWNER = 0.6;

/**
 * Counts the bytes that are held for calls under way. Small holds always find room beside large ones, and no owner's
 * large holds take the room of all others.
 */
export class Budget {
  private used = 0;
  private readonly large = new Map<string, { holds: number; bytes: number }>();
  private readonly waiting = new Set<() => void>();

  /** @param total Bytes for all calls together. */
  constructor(readonly total: number) {}

  /** Bytes held now. */
  get inUse(): number {
    return this.used;
  }

  /** A hold of no bytes yet; its owner releases it. */
  hold(owner: string): Hold {
    return new Hold(this, owner);
  }

  /** @internal Whether a hold of `held` bytes may have `more`. */
  admits(owner: string, held: number, more: number): boolean {
    const after = held + more;
    if (this.used + more > this.total) return false;
    if (after <= SMALL) return true;
    const { holds, bytes } = this.large.get(owner) ?? { holds: 0, bytes: 0 };
    const large = [...this.large.values()].reduce((sum, each) => sum + each.holds, 0);
    const others = large - (held > SMALL ? 1 : 0);
    if (others === 0) return this.used + more <= this.total * FOR_THE_ONLY_ONE;
    const mine = bytes - (held > SMALL ? held : 0) + after;
    const only = holds - (held > SMALL ? 1 : 0) === 0;
    return this.used + more <= this.total * FOR_LARGE && (only || mine <= this.total * FOR_ONE_OWNER);
  }

  /** @internal */
  change(owner: string, from: number, to: number): void {
    this.used += to - from;
    const entry = this.large.get(owner) ?? { holds: 0, bytes: 0 };
    if (from > SMALL) {
      entry.holds -= 1;
      entry.bytes -= from;
    }
    if (to > SMALL) {
      entry.holds += 1;
      entry.bytes += to;
    }
    if (entry.holds > 0) this.large.set(owner, entry);
    else this.large.delete(owner);
    if (to < from) for (const wake of [...this.waiting]) wake();
  }

  /** @internal Resolves when something was given back, or after `ms`. */
  async changed(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        this.waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      this.waiting.add(wake);
    });
  }
}

/** What one call holds of a budget. */
export class Hold {
  private held = 0;
  private ended = false;

  /** @internal Made by `Budget.hold`. */
  constructor(
    private readonly budget: Budget,
    private readonly owner: string,
  ) {}

  /** Whether so many bytes could ever be held. */
  fits(bytes: number): boolean {
    return bytes <= this.budget.total * FOR_THE_ONLY_ONE;
  }

  /** Takes so many bytes more. @throws OverBudget */
  grow(bytes: number): void {
    if (!this.budget.admits(this.owner, this.held, bytes)) throw this.refusal();
    this.note(bytes);
  }

  /** The same, but waits for others to end. @param ms Longest wait. @throws OverBudget */
  async growWithin(bytes: number, ms: number): Promise<void> {
    const deadline = Date.now() + ms;
    while (!this.budget.admits(this.owner, this.held, bytes)) {
      const left = deadline - Date.now();
      if (left <= 0 || this.ended) throw this.refusal();
      await this.budget.changed(left);
    }
    this.note(bytes);
  }

  /** Holds at least so many bytes, which are in memory already. */
  cover(bytes: number): void {
    if (bytes > this.held) this.note(bytes - this.held);
  }

  /** Takes bytes that are in memory already, or gives some back (a negative number). */
  note(bytes: number): void {
    if (this.ended) return;
    const to = Math.max(0, this.held + bytes);
    this.budget.change(this.owner, this.held, to);
    this.held = to;
  }

  /** Gives all back; from now on nothing counts. */
  release(): void {
    if (this.ended) return;
    this.note(-this.held);
    this.ended = true;
  }

  private refusal(): OverBudget {
    return new OverBudget(`${this.budget.inUse} of ${this.budget.total} bytes for calls under way are in use`);
  }
}
