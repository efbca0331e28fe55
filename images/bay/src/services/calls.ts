/** Calls into sandboxes that are under way. */
export class Calls {
  private readonly counts = new Map<string, number>();

  /** Whether a call into this sandbox is under way. */
  busy(sandboxId: string): boolean {
    return this.counts.has(sandboxId);
  }

  async run<T>(sandboxId: string, work: () => Promise<T>): Promise<T> {
    this.counts.set(sandboxId, (this.counts.get(sandboxId) ?? 0) + 1);
    try {
      return await work();
    } finally {
      const left = this.counts.get(sandboxId)! - 1;
      if (left > 0) this.counts.set(sandboxId, left);
      else this.counts.delete(sandboxId);
    }
  }
}
