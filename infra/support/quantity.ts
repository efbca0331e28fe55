const FACTORS: Record<string, number> = {
  m: 1e-3,
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
};

/** A Kubernetes quantity: `100m`, `2`, `1.5Gi`. */
export const QUANTITY = /^(\d+(?:\.\d+)?)(m|k|M|G|T|Ki|Mi|Gi|Ti)?$/;

/** A quantity as a number of its unit: cores, bytes, pieces; nothing for what is no quantity. */
export function amountOf(quantity: string | number): number | undefined {
  const [, digits, suffix = ""] = QUANTITY.exec(String(quantity).trim()) ?? [];
  return digits === undefined ? undefined : Number(digits) * FACTORS[suffix]!;
}

/** Bytes as a quantity for people, in the largest binary unit that leaves a short number: `1.5Gi`, `640Mi`. */
export function memoryText(bytes: number): string {
  const [unit, size] = bytes >= 2 ** 30 ? (["Gi", 2 ** 30] as const) : (["Mi", 2 ** 20] as const);
  return `${Number((bytes / size).toFixed(2))}${unit}`;
}
