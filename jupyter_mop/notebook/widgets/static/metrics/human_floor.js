// The human floor of a metric at an effective number of simulated responses; forms and names as in
// engine/weighting/human_floor.py.

/** The metric between people and people; NaN where it is unknown. */
export function humanFloor(floor, size) {
  if (!Number.isFinite(floor?.c0)) return NaN;
  const { c0, c1, c2, scale } = floor;
  const value = Math.max(0, c0 + c1 / size + c2 / size ** 2);
  if (scale === "root") return Math.sqrt(value);
  return scale === "complement" ? 1 - value : value;
}
