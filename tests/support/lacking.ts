/**
 * The deployment under test lacks something that a test needs. The environment of the e2e project makes a named skip of
 * it: neither passed nor failed, with the reason in its name.
 */
export class Lacking extends Error {
  constructor(readonly what: string) {
    super(`this deployment lacks ${what}`);
    this.name = "Lacking";
  }
}

/** Ends the test as a named skip. Only for what the deployment was asked for and does not have. @throws Lacking */
export function lacks(what: string): never {
  throw new Lacking(what);
}
