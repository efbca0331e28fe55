import { type BayOn, startBayOn } from "./bay-on";
import { ShipDriver } from "./ship-driver";

export { type Answer, KEY, until } from "./bay-on";

/**
 * Bay over a driver of local Ship processes.
 * @param driver One whose pods and folder an earlier Bay left: this one finds its records there.
 * @param more Variables beside the key of the API.
 */
export function startBay(
  changes: object = {},
  driver = new ShipDriver(),
  more: Record<string, string> = {},
): Promise<Bay> {
  return startBayOn(changes, driver, more);
}
export type Bay = BayOn<ShipDriver>;
