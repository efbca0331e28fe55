/** One thing that could not be removed. */
export interface CleanupFailure {
  name: string;
  error: unknown;
}

/** Thrown after everything else was cleaned, when something could not be. */
export class CleanupError extends Error {
  constructor(readonly failures: readonly CleanupFailure[]) {
    super(
      `${failures.length} of the things that this test made could not be removed:\n` +
        failures
          .map(({ name, error }) => `  ${name}: ${error instanceof Error ? error.message : String(error)}`)
          .join("\n"),
    );
    this.name = "CleanupError";
  }
}

/**
 * Owns what a test makes: last made, first removed. A cleanup that fails fails the test, but only after
 * everything else was removed too.
 */
export class Scope {
  readonly #cleanups: { name: string; cleanup: () => Promise<unknown> }[] = [];
  #closed = false;

  /** Remembers how to remove something that was just made. `name` stands in the error if that fails. */
  add(name: string, cleanup: () => Promise<unknown>): void {
    if (this.#closed) throw new Error(`${name} was made after its scope was closed: nothing would remove it`);
    this.#cleanups.push({ name, cleanup });
  }

  /** Removes everything. A second call does nothing. @throws CleanupError naming all that is left */
  async close(): Promise<void> {
    this.#closed = true;
    const failures: CleanupFailure[] = [];
    for (let next = this.#cleanups.pop(); next; next = this.#cleanups.pop()) {
      const { name, cleanup } = next;
      await cleanup().catch((error: unknown) => failures.push({ name, error }));
    }
    if (failures.length > 0) throw new CleanupError(failures);
  }
}
