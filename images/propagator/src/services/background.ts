import type { FastifyBaseLogger } from "fastify";

/**
 * Work that goes on after its request was answered. It keeps its own failures; only records that cannot be kept come as
 * far as here.
 */
export class Background {
  private readonly running = new Set<Promise<void>>();

  /** @param kind of the work, for the log: `a checkpoint` */
  constructor(
    private readonly kind: string,
    private readonly log: FastifyBaseLogger,
  ) {}

  launch(actionId: string, work: Promise<void>): void {
    const followed = work
      .catch((error: unknown) => {
        this.log.error({ err: error, action: actionId }, `${this.kind}'s records could not be kept`);
      })
      .finally(() => {
        this.running.delete(followed);
      });
    this.running.add(followed);
  }

  /** Waits until all that was launched has ended. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.running);
  }
}
