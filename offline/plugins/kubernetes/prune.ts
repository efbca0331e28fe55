/** The live object cut down to what the program declared, for comparisons. */
import { isMap, type Value, type ValueMap } from "../rpc/values";

/** The fields of `live` that `shape` has too; lists element by element, as long as the shorter one. */
export function prune(live: ValueMap, shape: ValueMap): ValueMap {
  const pruned: ValueMap = {};
  for (const [key, value] of Object.entries(live)) {
    const wanted = shape[key];
    if (value !== undefined && wanted !== undefined) pruned[key] = pruneValue(value, wanted);
  }
  return pruned;
}

function pruneValue(live: Value, shape: Value): Value {
  if (isMap(live) && isMap(shape)) return prune(live, shape);
  if (!Array.isArray(live) || !Array.isArray(shape)) return live;
  return live.slice(0, shape.length).map((element, index) => {
    const wanted = shape[index];
    return wanted === undefined ? element : pruneValue(element, wanted);
  });
}
