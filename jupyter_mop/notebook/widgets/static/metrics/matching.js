// Persona weights near the present ones at which a figure is best: mirror descent with a step that
// grows while it helps, as in engine/matching.py. No model call.

import { figure, higherIsBetter } from "./mixture_gradients.js";

const ENTROPY = 0.01;
const LIFTED = 1e-3;
const MOST_STEPS = 200;
const TOLERANCE = 1e-9;
const LEAST = 1e-12;

const lossOf = (value, name) => (higherIsBetter(name) ? 1 - value : value);
const total = (values, flags) => values.reduce((sum, value, k) => sum + (flags[k] ? value : 0), 0);

/** The weights with no free one at nothing, where mirror descent could not leave. */
function lift(weights, free, mass) {
  const lifted = weights.map((weight, k) => (free[k] ? Math.max(weight, LIFTED * mass) : weight));
  const factor = mass / total(lifted, free);
  return lifted.map((weight, k) => (free[k] ? weight * factor : weight));
}

/** The loss with the penalty for leaving `anchor`, and its slope. */
function objective({ statistics, name, anchor, entropy }, weights) {
  const found = figure(statistics, name, weights);
  const sign = higherIsBetter(name) ? -1 : 1;
  const logs = weights.map((weight, k) => (weight > 0 && anchor[k] > 0 ? Math.log(weight / anchor[k]) : 0));
  const penalty = weights.reduce((sum, weight, k) => sum + weight * logs[k], 0);
  return {
    weights,
    value: lossOf(found.value, name) + entropy * penalty,
    slope: logs.map((log, k) => sign * found.gradient[k] + entropy * (log + 1)),
  };
}

function moved({ weights, slope }, rate, free, mass) {
  const least = slope.reduce((low, value, k) => (free[k] ? Math.min(low, value) : low), Infinity);
  const grown = weights.map((weight, k) => (free[k] ? weight * Math.exp(-rate * (slope[k] - least)) : weight));
  const factor = mass / total(grown, free);
  return grown.map((weight, k) => (free[k] ? weight * factor : weight));
}

function firstRate(slope, free) {
  const own = slope.filter((_, k) => free[k]);
  const mean = own.reduce((sum, value) => sum + value, 0) / own.length;
  return 1 / Math.max(LEAST, ...own.map((value) => Math.abs(value - mean)));
}

function descend(problem, free, mass) {
  let now = objective(problem, problem.anchor);
  let rate = firstRate(now.slope, free);
  for (let step = 0; step < MOST_STEPS; step += 1) {
    const next = objective(problem, moved(now, rate, free, mass));
    if (next.value <= now.value) {
      const gain = now.value - next.value;
      now = next;
      if (gain < TOLERANCE * Math.max(1, Math.abs(now.value))) return { now, steps: step + 1 };
      rate *= 1.5;
    } else {
      rate /= 2;
      if (rate < LEAST) return { now, steps: step };
    }
  }
  return { now, steps: MOST_STEPS };
}

/**
 * Find the weights: { weights, before, after, steps }, the figure before and after.
 *
 * Held personas and those without draws keep their weights; where fewer than two are free, or the
 * figure is not defined, nothing moves. `entropy` is the strength of the penalty for leaving
 * `start`, by default a hundredth of the loss there.
 */
export function match(statistics, name, start, held = [], entropy = undefined) {
  const weights = Array.from(start);
  const free = weights.map((_, k) => !held[k] && statistics.counts[k] > 0);
  const before = figure(statistics, name, weights).value;
  const stay = { weights, before, after: before, steps: 0 };
  const mass = 1 - total(weights, free.map((flag) => !flag));
  if (free.filter(Boolean).length < 2 || !(mass > 0) || Number.isNaN(before)) return stay;
  const strength = entropy ?? ENTROPY * lossOf(before, name);
  const problem = { statistics, name, anchor: lift(weights, free, mass), entropy: strength };
  const { now, steps } = descend(problem, free, mass);
  return { weights: now.weights, before, after: figure(statistics, name, now.weights).value, steps };
}
