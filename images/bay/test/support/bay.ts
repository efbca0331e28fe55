import { type BayOn, startBayOn } from "./bay-on";
import { ShipDriver } from "./ship-driver";

export { type Answer, KEY, until } from "./bay-on";

/** Bay over a driver of local Ship processes. @param driver One whose pods and folder an earlier Bay left: this one finds its records there. */
export function startBay(changes: object = {}, driver = new ShipDriver()): Promise<Bay> {
  return startBayOn(changes, driver);
}
export type Bay = BayOn<ShipDriver>;
