// What is known of each persona's draws, in the form in which the figures use it, and the sums
// that they share. Flat arrays hold tables row by row: one row a persona.

export const SMOOTHING = 0.5;
const prepared = new WeakMap();

/** The sum of the rows of a table, each times its persona's weight; rows are `size` long. */
export function blend(weights, rows, size, start = 0) {
  const total = new Float64Array(size);
  for (let k = 0; k < weights.length; k += 1) {
    const weight = weights[k];
    const row = start + k * size;
    if (weight !== 0) for (let i = 0; i < size; i += 1) total[i] += weight * rows[row + i];
  }
  return total;
}

/** The inner product of each row of a table with one vector. */
export function project(rows, vector, count) {
  const size = vector.length;
  const products = new Float64Array(count);
  for (let k = 0; k < count; k += 1) {
    let total = 0;
    for (let i = 0; i < size; i += 1) total += rows[k * size + i] * vector[i];
    products[k] = total;
  }
  return products;
}

export function inner(a, b) {
  let total = 0;
  for (let i = 0; i < a.length; i += 1) total += a[i] * b[i];
  return total;
}

/** What a table of shares gives: { target (B), personas (K x B) }. */
const table = ({ target, personas }) =>
  ({ target: Float64Array.from(target), personas: Float64Array.from(personas) });

/** Moments on axes scaled by the target's deviations, of which the upper triangle is enough. */
function prepareSpace({ target_variances, means, moments }, count) {
  const size = target_variances.length;
  const scale = Float64Array.from(target_variances, Math.sqrt);
  const length = (size * (size + 1)) / 2;
  const upper = new Float64Array(count * length);
  const traces = new Float64Array(count);
  for (let k = 0, at = 0; k < count; k += 1) {
    for (let i = 0; i < size; i += 1) {
      const row = (k * size + i) * size;
      traces[k] += moments[row + i];
      for (let j = i; j < size; j += 1, at += 1) upper[at] = moments[row + j] * scale[i] * scale[j];
    }
  }
  const spread = target_variances.reduce((total, variance) => total + variance, 0);
  const scaled = Float64Array.from(means, (mean, at) => mean * scale[at % size]);
  return { size, scale, length, upper, traces, spread, means: Float64Array.from(means), scaled };
}

function prepareCosines({ target, pairs, cap }, count) {
  const size = target.length;
  const all = target.reduce((total, n) => total + n + SMOOTHING, 0);
  const own = new Float64Array(count * size);
  for (let k = 0; k < count; k += 1) {
    const row = (k * count + k) * size;
    for (let b = 0; b < size; b += 1) own[k * size + b] = pairs[row + b];
  }
  const shares = Float64Array.from(target, (n) => (n + SMOOTHING) / all);
  return { size, shares, own, pairs: Float64Array.from(pairs), cap };
}

/** What does not depend on the weights, worked out once for each `statistics`. */
export function prepare(statistics) {
  const known = prepared.get(statistics);
  if (known) return known;
  const { names, inverse_sizes, space, clusters, cosines, lengths, answers } = statistics;
  const made = {
    inverse: Float64Array.from(inverse_sizes),
    space: prepareSpace(space, names.length),
    clusters: table(clusters),
    cosines: prepareCosines(cosines, names.length),
    lengths: table(lengths),
    answers: answers && table(answers),
    ordered: Boolean(answers?.ordered),
  };
  prepared.set(statistics, made);
  return made;
}
