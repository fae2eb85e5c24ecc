// Shared by the tests: closeness, and random statistics from a seeded generator (mulberry32).
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

export function near(actual, expected, tolerance = 1e-9) {
  assert.equal(actual.length, expected.length);
  expected.forEach((value, i) => {
    const gap = Math.abs(actual[i] - value);
    assert.ok(gap <= tolerance * Math.max(1, Math.abs(value)), `${i}: ${actual[i]} is not ${value}`);
  });
}

export function seeded(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const many = (n, make) => Array.from({ length: n }, (_, i) => make(i));

export function simplexPoint(random, n) {
  const values = many(n, () => -Math.log(1 - random()));
  const total = values.reduce((sum, value) => sum + value, 0);
  return values.map((value) => value / total);
}

/** Means and second moments of random draws, which are therefore consistent. */
function randomSpace(random, personas, axes, draws) {
  const means = new Float64Array(personas * axes);
  const length = (axes * (axes + 1)) / 2;
  const moments = new Float64Array(personas * length);
  for (let k = 0; k < personas; k += 1) {
    const centre = many(axes, () => random() - 0.5);
    for (let draw = 0; draw < draws; draw += 1) {
      const x = centre.map((middle, i) => (middle + 2 * random() - 1) / (1 + 0.2 * i));
      for (let i = 0, at = k * length; i < axes; i += 1) {
        means[k * axes + i] += x[i] / draws;
        for (let j = i; j < axes; j += 1, at += 1) moments[at] += (x[i] * x[j]) / draws;
      }
    }
  }
  return { target_variances: many(axes, (i) => 0.3 / (1 + i) ** 2), means, moments, explained: 0.9 };
}

function randomPairs(random, personas, bins) {
  const pairs = new Float64Array(personas * personas * bins);
  for (let k = 0; k < personas; k += 1) {
    for (let l = 0; l <= k; l += 1) {
      const shares = simplexPoint(random, bins);
      pairs.set(shares, (k * personas + l) * bins);
      pairs.set(shares, (l * personas + k) * bins);
    }
  }
  return pairs;
}

/** Shares of responses by persona and context, and of those recognised as answers to it. */
function randomContexts(random, personas, axes, draws) {
  const given = many(personas, () => simplexPoint(random, 3)).flat();
  const recognised = given.map((share) => share * random());
  return {
    space: randomSpace(random, personas, axes, draws),
    given: Float64Array.from(given), recognised: Float64Array.from(recognised),
  };
}

/** Random but consistent statistics, as the panel gets them. */
export function randomStatistics(random, { personas, axes, clusters, bins, draws }) {
  const shares = (n) => ({
    target: simplexPoint(random, n),
    personas: Float64Array.from(many(personas, () => simplexPoint(random, n)).flat()),
  });
  return {
    names: many(personas, (k) => `persona ${k}`),
    counts: Array(personas).fill(draws),
    inverse_sizes: Array(personas).fill(1 / draws),
    space: randomSpace(random, personas, axes, draws),
    clusters: shares(clusters),
    cosines: {
      target: many(bins, () => Math.floor(200 * random())), pairs: randomPairs(random, personas, bins), cap: 1000000,
    },
    contexts: randomContexts(random, personas, axes, draws),
    lengths: shares(40),
    answers: { options: ["a", "b", "c", "d", "e"], ordered: true, ...shares(5) },
  };
}

/** The cases that Python's tests read too; NaN becomes null. */
export function sharedCases() {
  const file = new URL("../../../data/weights_cases.json", import.meta.url);
  return JSON.parse(readFileSync(file, "utf8").replaceAll(/\bNaN\b/g, "null"));
}
