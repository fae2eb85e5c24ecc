// Persona weights by group of contexts: other overall weights change the odds between two personas
// by the same factor in every group, and the groups keep their sizes. The same as in
// engine/simulation/context_groups.py; without groups a cell is a persona.

const FIT_TOLERANCE = 1e-10;
const MAX_FIT_ITERATIONS = 2000;
const MIN_FACTOR = 1e-200;
const RIDGE = 1e-8;
const latestFits = new WeakMap();

/**
 * The weights within each group, each row scaled to sum to 1, and the totals before. A group whose
 * personas are all switched off keeps its weights.
 */
export function weightsIn({ sizes, base }, factors) {
  const count = factors.length;
  const weights = Float64Array.from(base, (value, i) => value * factors[i % count]);
  const totals = Float64Array.from(sizes, (_, g) =>
    weights.subarray(g * count, (g + 1) * count).reduce((total, value) => total + value, 0));
  const before = Float64Array.from(sizes, (_, g) =>
    base.slice(g * count, (g + 1) * count).reduce((total, value) => total + value, 0));
  for (let i = 0; i < weights.length; i += 1) {
    const g = Math.floor(i / count);
    weights[i] = totals[g] > 0 ? weights[i] / totals[g] : base[i] / before[g];
  }
  return { weights, totals };
}

/** The overall weight of each persona from those within each group. */
export function overallWeights({ sizes }, weights, count) {
  const result = new Float64Array(count);
  weights.forEach((weight, i) => { result[i % count] += sizes[Math.floor(i / count)] * weight; });
  return result;
}

/** The factors at which the overall weights are `wanted`: iterative proportional fitting. */
function fitFactors(groups, wanted) {
  const count = wanted.length;
  let factors = Float64Array.from(wanted, (weight) => (weight > 0 ? 1 : 0));
  for (let i = 0; i < MAX_FIT_ITERATIONS; i += 1) {
    const now = overallWeights(groups, weightsIn(groups, factors).weights, count);
    if (wanted.every((weight, k) => Math.abs(now[k] - weight) < FIT_TOLERANCE)) break;
    const ratio = now.map((weight, k) => (weight > 0 ? wanted[k] / weight : 0));
    const top = Math.max(...ratio.map((value, k) => value * factors[k]), 1e-300);
    const next = factors.map((factor, k) => (factor * ratio[k]) / top);
    const used = next.filter((factor) => factor > 0);
    const ratios = ratio.filter((_, k) => next[k] > 0);
    if (!used.length || Math.min(...used) < MIN_FACTOR) break; // these weights cannot be reached
    if (Math.max(...ratios) - Math.min(...ratios) < FIT_TOLERANCE) break;
    factors = next;
  }
  return factors;
}

/** The weights within each group at which the overall weights are these, with factors and totals. */
export function fittedGroups(statistics, weights) {
  const known = latestFits.get(statistics.groups);
  if (known && known.key.every((weight, k) => weight === weights[k])) return known;
  const factors = fitFactors(statistics.groups, weights);
  const found = { key: Array.from(weights), factors, ...weightsIn(statistics.groups, factors) };
  latestFits.set(statistics.groups, found);
  return found;
}

/** The share of each cell under these overall persona weights. */
export function cellShares(statistics, weights) {
  const { groups } = statistics;
  if (!groups) return weights;
  const within = fittedGroups(statistics, weights).weights;
  return groups.group.map((g, i) => groups.sizes[g] * within[g * weights.length + groups.persona[i]]);
}

/** Solve a small linear system by Gaussian elimination with pivoting. */
function solveLinear(matrix, right) {
  const rows = matrix.map((row, i) => [...row, right[i]]);
  const n = rows.length;
  for (let k = 0; k < n; k += 1) {
    let pivot = k;
    for (let i = k + 1; i < n; i += 1) if (Math.abs(rows[i][k]) > Math.abs(rows[pivot][k])) pivot = i;
    [rows[k], rows[pivot]] = [rows[pivot], rows[k]];
    for (let i = k + 1; i < n; i += 1) {
      const factor = rows[i][k] / rows[k][k];
      for (let j = k; j <= n; j += 1) rows[i][j] -= factor * rows[k][j];
    }
  }
  const solution = new Float64Array(n);
  for (let k = n - 1; k >= 0; k -= 1) {
    let value = rows[k][n];
    for (let j = k + 1; j < n; j += 1) value -= rows[k][j] * solution[j];
    solution[k] = value / rows[k][k];
  }
  return solution;
}

/** Derivatives by the overall persona weights, up to a constant, from those by cell. */
export function byPersona(statistics, weights, byCell) {
  const { groups } = statistics;
  if (!groups) return byCell;
  const { sizes, base, group, persona } = groups;
  const count = weights.length;
  const { weights: within, totals } = fittedGroups(statistics, weights);
  const slopes = new Float64Array(within.length);
  byCell.forEach((slope, i) => { slopes[group[i] * count + persona[i]] = slope; });
  const mean = Float64Array.from(sizes, (_, g) => {
    let total = 0;
    for (let k = 0; k < count; k += 1) total += within[g * count + k] * slopes[g * count + k];
    return total;
  });
  const overall = overallWeights(groups, within, count);
  const matrix = [];
  const right = [];
  for (let k = 0; k < count; k += 1) {
    const reach = Float64Array.from(sizes, (size, g) => (totals[g] > 0 ? (size * base[g * count + k]) / totals[g] : 0));
    const all = reach.reduce((total, value) => total + value, 0) || 1;
    const row = Float64Array.from(overall, (value, l) => value + (k === l ? 1 + RIDGE : 0));
    let slope = 0;
    reach.forEach((value, g) => {
      const share = value / all;
      slope += share * (slopes[g * count + k] - mean[g]);
      for (let l = 0; l < count; l += 1) row[l] -= share * within[g * count + l];
    });
    matrix.push(row);
    right.push(slope);
  }
  return solveLinear(matrix, right);
}
