/** Resource quantities ("0.5", "1024Mi") in the form in which the API server writes them back ("500m", "1Gi"). */
const BINARY = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
/** Powers of 1000 from nano to exa. */
const DECIMAL: Record<string, number> = { n: -3, u: -2, m: -1, "": 0, k: 1, M: 2, G: 3, T: 4, P: 5, E: 6 };

/**
 * The quantity in its canonical form: same number, largest suffix that leaves no fraction.
 * What is not a quantity comes back as it was; the API server will say what is wrong with it.
 */
export function canonicalQuantity(value: string | number): string {
  const text = String(value).trim();
  const match = /^([+-]?)(\d*)(?:\.(\d*))?(Ki|Mi|Gi|Ti|Pi|Ei|[numkMGTPE]|[eE][+-]?\d+)?$/.exec(text);
  if (!match || (match[2] === "" && !match[3])) return text;
  const [, sign = "", whole = "", fraction = "", unit = ""] = match;
  const digits = BigInt(`${whole}${fraction}`);
  const minus = sign === "-" && digits !== 0n ? "-" : "";
  if (BINARY.indexOf(unit) > 0)
    return `${minus}${binary(digits, fraction.length, BINARY.indexOf(unit)) ?? text.replace(/^[+-]/, "")}`;
  const exponent = /^[eE][+-]?\d+$/.test(unit) ? Number(unit.slice(1)) : 3 * (DECIMAL[unit] ?? 0);
  return `${minus}${decimal(digits, exponent - fraction.length, /^[eE]\d|^[eE][+-]/.test(unit))}`;
}

/** Nothing when the number is not whole in bytes: then the API server changes to decimal fractions. */
function binary(digits: bigint, decimals: number, power: number): string | undefined {
  const scaled = digits * 1024n ** BigInt(power);
  const divisor = 10n ** BigInt(decimals);
  if (scaled % divisor !== 0n) return undefined;
  let bytes = scaled / divisor;
  if (bytes < 1024n) return bytes.toString();
  let suffix = 0;
  while (suffix < BINARY.length - 1 && bytes !== 0n && bytes % 1024n === 0n) {
    bytes /= 1024n;
    suffix += 1;
  }
  return `${bytes}${BINARY[suffix] ?? ""}`;
}

function decimal(digits: bigint, exponent: number, scientific: boolean): string {
  if (digits === 0n) return "0";
  let mantissa = digits;
  let power = exponent;
  while (mantissa % 10n === 0n) {
    mantissa /= 10n;
    power += 1;
  }
  // Finer than nano is rounded up, as the API server does.
  while (power < -9) {
    mantissa = mantissa / 10n + (mantissa % 10n === 0n ? 0n : 1n);
    power += 1;
  }
  const step = Math.floor(power / 3);
  const thousands = Math.min(step, DECIMAL.E ?? 6);
  mantissa *= 10n ** BigInt(power - 3 * thousands);
  if (scientific) return thousands === 0 ? mantissa.toString() : `${mantissa}e${3 * thousands}`;
  return `${mantissa}${Object.entries(DECIMAL).find(([, value]) => value === thousands)?.[0] ?? ""}`;
}
