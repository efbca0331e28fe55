/** Waits for something that is about to be true. @throws Error that names it after ten seconds */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`not true after 10 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
