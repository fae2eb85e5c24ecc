// The metrics of a mixture of the personas' draws and their derivatives by the persona weights,
// from statistics of each persona's draws. The formulas are those of
// engine/metrics/mixture_gradients.py. Weights sum to 1.

import { byPersona, cellShares } from "./context_groups.js";
import { eigen } from "./eigen.js";
import { SMOOTHING, blend, inner, prepare, project } from "./statistics.js";

const TINY = 1e-12;
const LOG_TINY = Math.log(TINY);
const RANK_TOLERANCE = 1e-10;
const ROUNDING = 1e-14;
const MIN_GAP_SIZE = 1e-9;
const SCALING = 5;
const N_MIXTURES = 25;
const EDGE = 1e-6;
const LEVELS = Array.from({ length: N_MIXTURES }, (_, i) => EDGE + (i * (1 - 2 * EDGE)) / (N_MIXTURES - 1));

/** The sign of a gap; 0 for one that is only rounding error. */
const signOf = (gap) => (Math.abs(gap) > MIN_GAP_SIZE ? Math.sign(gap) : 0);

const undefinedAt = (weights) => ({ value: NaN, gradient: new Float64Array(weights.length) });

const perDraw = (weights, inverse) => Float64Array.from(weights, (v, k) => v * inverse[k]);

/** The scaled covariance, from the upper triangle of the second moments. */
function covarianceOf(moments, mean, size, unbiased) {
  const full = new Float64Array(size * size);
  for (let i = 0, at = 0; i < size; i += 1) {
    for (let j = i; j < size; j += 1, at += 1) {
      full[i * size + j] = (moments[at] - mean[i] * mean[j]) / unbiased;
      full[j * size + i] = full[i * size + j];
    }
  }
  return full;
}

/** The sum of the square roots of eigenvalues; rounding errors around 0 are left out. */
function rootSum(values) {
  const minimum = Math.max(0, ROUNDING * Math.max(...values));
  return values.reduce((total, value) => total + (value > minimum ? Math.sqrt(value) : 0), 0);
}

/** The inverse square root of a matrix with these eigenvalues; those near 0 are left out. */
function inverseRoot({ values, vectors }, size) {
  const minimum = RANK_TOLERANCE * Math.max(...values);
  const full = new Float64Array(size * size);
  let trace = 0;
  for (let t = 0; t < size; t += 1) {
    if (!(values[t] > minimum && values[t] > 0)) continue;
    const root = Math.sqrt(values[t]);
    trace += root;
    for (let i = 0; i < size; i += 1) {
      const factor = vectors[t * size + i] / root;
      for (let j = 0; j < size; j += 1) full[i * size + j] += factor * vectors[t * size + j];
    }
  }
  return { full, trace };
}

/** The upper triangle with doubled off-diagonal entries, for inner products of triangles. */
function doubledUpper(full, size, length) {
  const upper = new Float64Array(length);
  for (let i = 0, at = 0; i < size; i += 1) {
    for (let j = i; j < size; j += 1, at += 1) upper[at] = (i === j ? 1 : 2) * full[i * size + j];
  }
  return upper;
}

/** The Fréchet distance of these moments on the target's principal axes. */
function frechet(inverse, { size, scale, length, upper, traces, spread, means, scaled }, weights) {
  const count = weights.length;
  const chance = perDraw(weights, inverse);
  const unbiased = 1 - inner(weights, chance);
  if (unbiased <= TINY) return undefinedAt(weights);
  const mean = blend(weights, means, size);
  const centre = mean.map((value, i) => value * scale[i]);
  const decomposed = eigen(covarianceOf(blend(weights, upper, length), centre, size, unbiased), size);
  const variance = (inner(weights, traces) - inner(mean, mean)) / unbiased;
  const value = Math.max(0, inner(mean, mean) + spread + variance - 2 * rootSum(decomposed.values));
  const { full, trace } = inverseRoot(decomposed, size);
  const matched = project(upper, doubledUpper(full, size, length), count);
  const toMean = project(means, mean, count);
  const toCentre = project(scaled, project(full, centre, size), count);
  const gradient = toMean.map((along, k) => {
    const change = traces[k] - matched[k] - 2 * (along - toCentre[k]);
    return 2 * along + (change + 2 * chance[k] * (variance - trace)) / unbiased;
  });
  return { value, gradient };
}

/** The Fréchet distance of the responses. */
export function fid(statistics, weights) {
  const { inverse, space } = prepare(statistics);
  return frechet(inverse, space, weights);
}

/** The Fréchet distance of responses joined with their contexts. */
function jointFid(statistics, weights) {
  const { inverse, contexts } = prepare(statistics);
  return frechet(inverse, contexts.space, weights);
}

/** The mean over contexts of the share of responses recognised as answers to their own. */
function fidelity(statistics, weights) {
  const { size, given, recognised } = prepare(statistics).contexts;
  const [mass, found] = [given, recognised].map((table) => blend(weights, table, size));
  const present = mass.reduce((total, share) => total + (share > TINY ? 1 : 0), 0);
  if (!present) return undefinedAt(weights);
  const shares = mass.map((share, c) => (share > TINY ? found[c] / share : 0));
  const rate = mass.map((share) => (share > TINY ? 1 / (share * present) : 0));
  const gained = project(recognised, rate, weights.length);
  const lost = project(given, rate.map((value, c) => value * shares[c]), weights.length);
  const value = shares.reduce((total, share) => total + share, 0) / present;
  return { value, gradient: gained.map((slope, k) => slope - lost[k]) };
}

/** A point of the divergence frontier: exp(-5 KL) of q and of p to one mixture of both. */
function frontierPoint({ p, q, logP, logQ }, level) {
  let [x, y] = [0, 0];
  const between = p.map((share, c) => level * share + (1 - level) * q[c]);
  const logs = between.map(Math.log);
  for (let c = 0; c < p.length; c += 1) {
    if (q[c] > 0) x += q[c] * (logQ[c] - logs[c]);
    if (p[c] > 0) y += p[c] * (logP[c] - logs[c]);
  }
  return { level, between, logs, x: Math.exp(-SCALING * x), y: Math.exp(-SCALING * y) };
}

/** Add the derivative by q of a point's coordinates, times the area's derivative by each. */
function addSlope(slope, { p, q, logQ }, { level, between, logs, x, y }, byX, byY) {
  for (let c = 0; c < p.length; c += 1) {
    const isPositive = between[c] > 0;
    const rest = isPositive ? (1 - level) / between[c] : 0;
    const dx = Math.max(logQ[c], LOG_TINY) - (isPositive ? logs[c] : 0) + 1 - rest * q[c];
    slope[c] += -SCALING * (byX * x * dx - byY * y * rest * p[c]);
  }
}

/** MAUVE of the cluster shares. */
export function mauve(statistics, weights) {
  const { target: p, personas } = prepare(statistics).clusters;
  const q = blend(weights, personas, p.length);
  const both = { p, q, logP: p.map(Math.log), logQ: q.map(Math.log) };
  const curve = [{ x: 1, y: 0 }, ...LEVELS.map((level) => frontierPoint(both, level)), { x: 0, y: 1 }];
  const slope = new Float64Array(p.length);
  let area = 0;
  for (let i = 0; i <= N_MIXTURES; i += 1) {
    const [point, next] = [curve[i], curve[i + 1]];
    area += ((point.y + next.y) / 2) * (point.x - next.x);
    if (i === 0) continue;
    const previous = curve[i - 1];
    addSlope(slope, both, point, (next.y - previous.y) / 2, (previous.x - next.x) / 2);
  }
  return { value: Math.min(1, area), gradient: project(personas, slope, weights.length) };
}

/** The KL divergence of pairwise cosines, from target to simulated. */
export function klCosine(statistics, weights) {
  const { inverse, cosines: { size, shares, own, pairs, limit } } = prepare(statistics);
  const count = weights.length;
  const chance = perDraw(weights, inverse);
  const unbiased = 1 - inner(weights, chance);
  if (unbiased <= TINY) return undefinedAt(weights);
  const cross = Array.from(weights, (_, k) => blend(weights, pairs, size, k * count * size));
  const q = new Float64Array(size);
  for (let k = 0; k < count; k += 1) {
    for (let b = 0; b < size; b += 1) q[b] += weights[k] * (cross[k][b] - chance[k] * own[k * size + b]);
  }
  for (let b = 0; b < size; b += 1) q[b] /= unbiased;
  const draws = 1 / (1 - unbiased);
  const total = Math.min((draws * (draws - 1)) / 2, limit);
  const whole = total + SMOOTHING * size;
  const [first, second] = [shares, q].map((side) => side.map((share) => (total * share + SMOOTHING) / whole));
  const ratio = first.map((share, b) => share / second[b]);
  const logs = ratio.map(Math.log);
  const value = inner(first, logs);
  const toQ = inner(ratio, q);
  const byCount = inner(shares, logs) - value - toQ + inner(ratio, second);
  const owns = project(own, ratio, count);
  const gradient = chance.map((part, k) => {
    const shareChange = (2 * (inner(ratio, cross[k]) - part * owns[k] + part * toQ)) / unbiased;
    const countChange = total < limit ? (0.5 - draws) * 2 * draws * draws * part : 0;
    return (countChange * byCount - total * shareChange) / whole;
  });
  return { value: Math.max(0, value), gradient };
}

/** The Wasserstein distance of shares in ordered bins, in bins. */
function wasserstein({ target, personas }, weights) {
  const size = target.length;
  const q = blend(weights, personas, size);
  const signs = new Float64Array(size);
  let [gap, value] = [0, 0];
  for (let b = 0; b < size; b += 1) {
    gap += target[b] - q[b];
    value += Math.abs(gap);
    signs[b] = signOf(gap);
  }
  for (let b = size - 2; b >= 0; b -= 1) signs[b] += signs[b + 1];
  return { value, gradient: project(personas, signs, weights.length).map((slope) => -slope) };
}

/** The Jensen-Shannon divergence of shares, in nats. */
function jensenShannon({ target, personas }, weights) {
  const q = blend(weights, personas, target.length);
  let value = 0;
  const slope = q.map((share, b) => {
    const middle = (target[b] + share) / 2;
    if (target[b] > 0) value += (target[b] * Math.log(target[b] / middle)) / 2;
    if (share > 0) value += (share * Math.log(share / middle)) / 2;
    return Math.log(Math.max(share, TINY) / Math.max(middle, TINY)) / 2;
  });
  return { value, gradient: project(personas, slope, weights.length) };
}

/** The total variation: half the sum of the absolute differences of shares. */
function totalVariation({ target, personas }, weights) {
  const gap = blend(weights, personas, target.length).map((share, b) => share - target[b]);
  const value = gap.reduce((total, part) => total + Math.abs(part), 0) / 2;
  const signs = gap.map((part) => signOf(part) / 2);
  return { value, gradient: project(personas, signs, weights.length) };
}

const METRICS = {
  FID: fid,
  MAUVE: mauve,
  "KL cosine": klCosine,
  "joint FID": jointFid,
  fidelity,
  length: (statistics, weights) => wasserstein(prepare(statistics).lengths, weights),
  JS: (statistics, weights) => jensenShannon(prepare(statistics).answers, weights),
  TV: (statistics, weights) => totalVariation(prepare(statistics).answers, weights),
  W1: (statistics, weights) => wasserstein(prepare(statistics).answers, weights),
};

/** Whether a higher value of a metric is better. */
export const higherIsBetter = (name) => name === "MAUVE" || name === "fidelity";

/** The names of the metrics that these statistics define. */
export function metricNames({ contexts, answers }) {
  const needs = { "joint FID": contexts, fidelity: contexts, JS: answers, TV: answers, W1: answers?.ordered };
  return Object.keys(METRICS).filter((name) => !(name in needs) || needs[name]);
}

/** One metric and its partial derivatives by the weights: { value, gradient }. */
export function metric(statistics, name, weights) {
  const { value, gradient } = METRICS[name](statistics, cellShares(statistics, weights));
  return { value, gradient: byPersona(statistics, weights, gradient) };
}

/** All metrics by name, each { value, gradient }. */
export const metrics = (statistics, weights) => Object.fromEntries(
  metricNames(statistics).map((name) => [name, metric(statistics, name, weights)]));

/** The effective sample size (Kish) of the draws under these weights. */
export const effectiveSampleSize = (statistics, weights) =>
  1 / cellShares(statistics, weights).reduce((total, v, i) => total + v * v * statistics.inverse_sizes[i], 0);

/** How a metric changes per unit of weight given to each persona, taken from the others in proportion. */
export function contributions(gradient, weights) {
  const mean = inner(weights, gradient);
  return Float64Array.from(gradient, (slope, k) =>
    (1 - weights[k] > TINY ? (slope - mean) / (1 - weights[k]) : 0));
}
