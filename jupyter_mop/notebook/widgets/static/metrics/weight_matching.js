// The persona weights near the current ones at which a metric is best: mirror descent with an
// adaptive step, as in engine/weighting/weight_matching.py.

import { higherIsBetter, metric } from "./mixture_gradients.js";

const ENTROPY = 0.01;
const MIN_START_SHARE = 1e-3;
const MAX_STEPS = 200;
const TOLERANCE = 1e-9;
const MIN_RATE = 1e-12;

const lossOf = (value, name) => (higherIsBetter(name) ? 1 - value : value);
const total = (values, flags) => values.reduce((sum, value, k) => sum + (flags[k] ? value : 0), 0);

/** Raise free weights above 0, which mirror descent could not leave. */
function raiseFromZero(weights, free, mass) {
  const raised = weights.map((weight, k) => (free[k] ? Math.max(weight, MIN_START_SHARE * mass) : weight));
  const factor = mass / total(raised, free);
  return raised.map((weight, k) => (free[k] ? weight * factor : weight));
}

/** The loss, with the penalty for the distance from `anchor`, and its gradient. */
function objective({ statistics, name, anchor, entropy }, weights) {
  const found = metric(statistics, name, weights);
  const sign = higherIsBetter(name) ? -1 : 1;
  const logs = weights.map((weight, k) => (weight > 0 && anchor[k] > 0 ? Math.log(weight / anchor[k]) : 0));
  const penalty = weights.reduce((sum, weight, k) => sum + weight * logs[k], 0);
  return {
    weights,
    value: lossOf(found.value, name) + entropy * penalty,
    gradient: logs.map((log, k) => sign * found.gradient[k] + entropy * (log + 1)),
  };
}

/** The weights after one step of mirror descent. */
function stepped({ weights, gradient }, rate, free, mass) {
  const minimum = gradient.reduce((low, value, k) => (free[k] ? Math.min(low, value) : low), Infinity);
  const scaled = weights.map((weight, k) => (free[k] ? weight * Math.exp(-rate * (gradient[k] - minimum)) : weight));
  const factor = mass / total(scaled, free);
  return scaled.map((weight, k) => (free[k] ? weight * factor : weight));
}

function firstRate(gradient, free) {
  const values = gradient.filter((_, k) => free[k]);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return 1 / Math.max(MIN_RATE, ...values.map((value) => Math.abs(value - mean)));
}

function descend(problem, free, mass) {
  let current = objective(problem, problem.anchor);
  let rate = firstRate(current.gradient, free);
  for (let step = 0; step < MAX_STEPS; step += 1) {
    const next = objective(problem, stepped(current, rate, free, mass));
    if (next.value <= current.value) {
      const gain = current.value - next.value;
      current = next;
      if (gain < TOLERANCE * Math.max(1, Math.abs(current.value))) return { current, steps: step + 1 };
      rate *= 1.5;
    } else {
      rate /= 2;
      if (rate < MIN_RATE) return { current, steps: step };
    }
  }
  return { current, steps: MAX_STEPS };
}

/**
 * Find the weights: { weights, before, after, steps }, with the metric before and after.
 *
 * Held personas and those without draws keep their weights; if fewer than two are free, or the
 * metric is not defined, no weight changes. `entropy` is the strength of the penalty for the
 * distance from `start`; default: a hundredth of the loss there.
 */
export function match(statistics, name, start, held = [], entropy = undefined) {
  const weights = Array.from(start);
  const free = weights.map((_, k) => !held[k] && statistics.counts[k] > 0);
  const before = metric(statistics, name, weights).value;
  const unchanged = { weights, before, after: before, steps: 0 };
  const mass = 1 - total(weights, free.map((flag) => !flag));
  if (free.filter(Boolean).length < 2 || !(mass > 0) || Number.isNaN(before)) return unchanged;
  const strength = entropy ?? ENTROPY * lossOf(before, name);
  const problem = { statistics, name, anchor: raiseFromZero(weights, free, mass), entropy: strength };
  const { current, steps } = descend(problem, free, mass);
  return { weights: current.weights, before, after: metric(statistics, name, current.weights).value, steps };
}
