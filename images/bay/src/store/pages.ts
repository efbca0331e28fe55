/**
 * Reads rows one after another until they take more than `most`: one page never holds more than that and its last row.
 * @returns at least one row where there is any
 */
export function upTo<K, R>(
  keys: readonly K[],
  most: number,
  read: (key: K) => R | undefined,
  sizeOf: (row: R) => number,
): R[] {
  const rows: R[] = [];
  let size = 0;
  for (const key of keys) {
    const row = read(key);
    if (row === undefined) continue;
    size += sizeOf(row);
    if (rows.length > 0 && size > most) break;
    rows.push(row);
  }
  return rows;
}
