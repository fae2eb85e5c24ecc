import assert from "node:assert/strict";
import test from "node:test";

import { higherIsBetter, metricNames } from "../../../../jupyter_mop/notebook/widgets/static/metrics/mixture_gradients.js";
import { match } from "../../../../jupyter_mop/notebook/widgets/static/metrics/weight_matching.js";
import { near, randomStatistics, seeded, sharedCases, simplexPoint } from "./tools.mjs";

const SIZES = { personas: 5, axes: 4, clusters: 8, bins: 6, draws: 20 };
const START = [0.4, 0.3, 0.2, 0.1, 0];
const shared = sharedCases();

shared.matching.forEach((found, i) => {
  test(`as in Python: ${i}, ${found.figure}`, () => {
    const { statistics } = shared.figures[found.statistics];
    const made = match(statistics, found.figure, found.start, found.held, found.entropy);
    near(made.weights, found.weights, 1e-6);
    near([made.before, made.after], [found.before, found.after], 1e-6);
  });
});

test("a metric gets no worse, held weights stay, and weights stay on the simplex", () => {
  const random = seeded(8);
  for (let round = 0; round < 5; round += 1) {
    const statistics = randomStatistics(random, SIZES);
    const start = simplexPoint(random, 5);
    for (const name of metricNames(statistics)) {
      for (const held of [[], [false, true, false, false, true]]) {
        const { weights, before, after, steps } = match(statistics, name, start, held);
        near([weights.reduce((a, b) => a + b, 0)], [1]);
        assert.ok(weights.every((v) => v >= 0));
        assert.ok(higherIsBetter(name) ? after >= before - 1e-9 : after <= before + 1e-9);
        assert.ok(steps >= 1 && steps <= 200);
        held.forEach((hold, k) => assert.ok(!hold || weights[k] === start[k]));
      }
    }
  }
});

test("without the penalty, no close weights are better", () => {
  const random = seeded(9);
  const statistics = randomStatistics(random, SIZES);
  const { weights, after } = match(statistics, "KL cosine", START, [], 0);
  for (let round = 0; round < 200; round += 1) {
    const other = simplexPoint(random, 5);
    const close = weights.map((v, k) => 0.99 * v + 0.01 * other[k]);
    assert.ok(match(statistics, "KL cosine", close, [true, true, true, true, true]).before >= after - 1e-6);
  }
});

test("a strong penalty keeps the weights where they are", () => {
  const statistics = randomStatistics(seeded(10), SIZES);
  const { weights } = match(statistics, "FID", [0.3, 0.3, 0.2, 0.1, 0.1], [], 1e6);
  near(weights, [0.3, 0.3, 0.2, 0.1, 0.1], 1e-4);
});

test("a persona with weight 0 can gain weight, one without draws cannot", () => {
  const statistics = randomStatistics(seeded(11), SIZES);
  const own = statistics.clusters.personas.slice(4 * SIZES.clusters);
  statistics.clusters.target = [...own];
  assert.ok(match(statistics, "MAUVE", START, [], 0).weights[4] > 0.5);
  const without = { ...statistics, counts: [20, 20, 20, 20, 0] };
  assert.equal(match(without, "MAUVE", START, [], 0).weights[4], 0);
});

test("with fewer than two free personas, no weight changes", () => {
  const statistics = randomStatistics(seeded(12), SIZES);
  const { weights, before, after, steps } = match(statistics, "FID", START, [true, true, true, true, false]);
  assert.deepEqual(weights, START);
  assert.deepEqual([after, steps], [before, 0]);
});

test("an undefined metric changes no weight", () => {
  const statistics = { ...randomStatistics(seeded(13), SIZES), inverse_sizes: [1, 1, 1, 1, 1] };
  const { weights, after } = match(statistics, "FID", [1, 0, 0, 0, 0]);
  assert.deepEqual(weights, [1, 0, 0, 0, 0]);
  assert.ok(Number.isNaN(after));
});
