// Statistics of each persona's draws, prepared for the metrics, and the sums that they share.
// A flat array holds a table row by row, one row per persona.

export const SMOOTHING = 0.5;
const prepared = new WeakMap();

/** The sum of a table's rows, each times its persona's weight; a row has `size` entries. */
export function blend(weights, rows, size, start = 0) {
  const total = new Float64Array(size);
  for (let k = 0; k < weights.length; k += 1) {
    const weight = weights[k];
    const row = start + k * size;
    if (weight !== 0) for (let i = 0; i < size; i += 1) total[i] += weight * rows[row + i];
  }
  return total;
}

/** The inner product of each of a table's `count` rows with a vector. */
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

/** The inner product of two vectors. */
export function inner(a, b) {
  let total = 0;
  for (let i = 0; i < a.length; i += 1) total += a[i] * b[i];
  return total;
}

/** A table of shares: { target (B), personas (K x B) }. */
const shareTable = ({ target, personas }) =>
  ({ target: Float64Array.from(target), personas: Float64Array.from(personas) });

/** Second moments, upper triangles by row, on axes scaled by the target's standard deviations. */
function prepareSpace({ target_variances, means, moments }, count) {
  const size = target_variances.length;
  const scale = Float64Array.from(target_variances, Math.sqrt);
  const length = (size * (size + 1)) / 2;
  const upper = new Float64Array(count * length);
  const traces = new Float64Array(count);
  for (let k = 0, at = 0; k < count; k += 1) {
    for (let i = 0; i < size; i += 1) {
      traces[k] += moments[at];
      for (let j = i; j < size; j += 1, at += 1) upper[at] = moments[at] * scale[i] * scale[j];
    }
  }
  const spread = target_variances.reduce((total, variance) => total + variance, 0);
  const scaled = Float64Array.from(means, (mean, at) => mean * scale[at % size]);
  return { size, scale, length, upper, traces, spread, means: Float64Array.from(means), scaled };
}

/** Shares of pairwise cosines, and as how many pairs they count at most. */
function prepareCosines({ target, pairs, cap }, count) {
  const size = target.length;
  const all = target.reduce((total, n) => total + n, 0);
  const own = new Float64Array(count * size);
  for (let k = 0; k < count; k += 1) {
    const row = (k * count + k) * size;
    for (let b = 0; b < size; b += 1) own[k * size + b] = pairs[row + b];
  }
  const shares = Float64Array.from(target, (n) => n / all);
  return { size, shares, own, pairs: Float64Array.from(pairs), limit: Math.min(cap, all) };
}

/** The moments of responses joined with contexts, and the shares of responses by context. */
function prepareContexts({ space, given, recognised }, count) {
  const [shares, found] = [given, recognised].map((table) => Float64Array.from(table));
  return { space: prepareSpace(space, count), size: shares.length / count, given: shares, recognised: found };
}

/** Everything that does not depend on the weights, computed once for each `statistics`. */
export function prepare(statistics) {
  const cached = prepared.get(statistics);
  if (cached) return cached;
  const { inverse_sizes, space, clusters, cosines, contexts, lengths, answers } = statistics;
  const result = {
    inverse: Float64Array.from(inverse_sizes),
    space: prepareSpace(space, inverse_sizes.length),
    clusters: shareTable(clusters),
    cosines: prepareCosines(cosines, inverse_sizes.length),
    contexts: contexts && prepareContexts(contexts, inverse_sizes.length),
    lengths: shareTable(lengths),
    answers: answers && shareTable(answers),
    ordered: Boolean(answers?.ordered),
  };
  prepared.set(statistics, result);
  return result;
}
