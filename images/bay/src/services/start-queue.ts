/** Lets a limited number of starts run at once; the others wait in the order in which they came. */
export class StartQueue {
  private readonly waiting: (() => void)[] = [];
  private active = 0;

  /** @param limit How many may run at once. */
  constructor(private readonly limit: number) {}

  /** Number of starts that wait. */
  get length(): number {
    return this.waiting.length;
  }

  /** Number of starts that run. */
  get running(): number {
    return this.active;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    // Who waits is handed the place of one that ended, so a newcomer cannot take it.
    if (this.active < this.limit) this.active += 1;
    else await new Promise<void>((resolve) => this.waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.waiting.shift();
      if (next) next();
      else this.active -= 1;
    }
  }
}
