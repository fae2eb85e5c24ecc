// Which values a card shows. The browser's metrics are fast estimates, on fewer dimensions; the
// kernel's are exact. One card never mixes them: where exact values are known, a fast estimate is
// the latest exact value plus the estimated change since, and the start is exact too.

/** The metrics that the kernel computes in full; the browser's values of the others are final. */
const ESTIMATED = ["FID", "MAUVE", "KL cosine", "joint FID", "fidelity"];
export const BOUNDED = ["MAUVE", "fidelity"];
const MIN_CHANGE = 5e-7;

const clamp = (name, value) => Math.min(BOUNDED.includes(name) ? 1 : Infinity, Math.max(0, value));

/**
 * A metric as shown: { kind, value, low, high, start, floor }.
 *
 * `fast` has value, start and floor by the browser. `exact`, if there is any, has `first`, the
 * kernel's values at the start, `last`, its latest ones with the browser's `fast` and `fastFloor`
 * at the same weights, and whether these are the current weights (`isCurrent`). Values are
 * { value, low, high, floor }.
 */
export function shownMetric(name, fast, exact) {
  if (!ESTIMATED.includes(name)) return { kind: "", low: NaN, high: NaN, ...fast };
  if (!exact?.last) return { kind: "fast estimate", low: NaN, high: NaN, ...fast };
  const { last, first, isCurrent } = exact;
  const start = first ? first.value : NaN;
  if (isCurrent) return { kind: "exact", value: last.value, low: last.low, high: last.high, start, floor: last.floor };
  const change = fast.value - last.fast;
  const [value, low, high] = [last.value, last.low, last.high].map((part) => clamp(name, part + change));
  const floor = clamp(name, last.floor + fast.floor - last.fastFloor);
  return { kind: "fast estimate", value, low, high, start, floor };
}

/** How a shown metric has changed since the start: "none", "unclear", "better" or "worse". */
export function changeOf({ value, low, high, start }, better) {
  const change = value - start;
  if (!Number.isFinite(change) || Math.abs(change) <= MIN_CHANGE) return "none";
  if (low <= start && start <= high) return "unclear";
  return (change < 0) === (better === "lower") ? "better" : "worse";
}
