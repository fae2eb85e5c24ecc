import assert from "node:assert/strict";
import test from "node:test";

import {
  contributions, effectiveSampleSize, fid, higherIsBetter, klCosine, mauve, metric, metricNames, metrics,
} from "../../../../jupyter_mop/notebook/widgets/static/metrics/mixture_gradients.js";
import { cellShares } from "../../../../jupyter_mop/notebook/widgets/static/metrics/context_groups.js";
import { blend } from "../../../../jupyter_mop/notebook/widgets/static/metrics/statistics.js";
import { near, randomStatistics, seeded, sharedCases, simplexPoint } from "./tools.mjs";

const STEP = 1e-6;
const SIZES = { personas: 4, axes: 12, clusters: 8, bins: 6, draws: 12 };
const centred = (values) => values.map((value) => value - values.reduce((a, b) => a + b, 0) / values.length);

/** Two personas, one per bin, with the target in the first: values can be computed by hand. */
const plain = {
  names: ["a", "b"],
  counts: [10, 1],
  inverse_sizes: [0.1, 1],
  space: { target_variances: [1], means: [0, 2], moments: [1, 5], explained: 1 },
  clusters: { target: [0.5, 0.5], personas: [0.5, 0.5, 0.9, 0.1] },
  cosines: { target: [4, 4], pairs: [0.5, 0.5, 1, 0, 1, 0, 0, 0], cap: 1000 },
  lengths: { target: [1, 0, 0], personas: [1, 0, 0, 0, 0, 1] },
  answers: { options: ["no", "yes"], ordered: true, target: [1, 0], personas: [1, 0, 0, 1] },
};

for (const found of sharedCases().figures) {
  test(`as in Python: ${found.name}`, () => {
    const made = metrics(found.statistics, found.weights);
    assert.deepEqual(Object.keys(made), Object.keys(found.expected));
    near([effectiveSampleSize(found.statistics, found.weights)], [found.ess], 1e-6);
    const { answers } = found.statistics;
    const cells = cellShares(found.statistics, found.weights);
    if (answers) near(blend(cells, answers.personas, answers.options.length), found.shares, 1e-9);
    for (const [name, { value, gradient }] of Object.entries(found.expected)) {
      if (value === null) assert.ok(Number.isNaN(made[name].value));
      else near([made[name].value], [value], 1e-6);
      near(contributions(made[name].gradient, found.weights), found.contributions[name], 1e-6);
      // Where cumulative shares meet at 1, the sign of a gap is rounding error, equal for all personas.
      const isFree = ["length", "W1"].includes(name) || found.statistics.groups;
      const form = isFree ? centred : (values) => values;
      near(form([...made[name].gradient]), form(gradient), 1e-6);
    }
  });
}

/** Raise one weight, alone or with the others reduced in proportion. */
const alone = (weights, k, by) => weights.map((v, l) => v + (l === k ? by : 0));
const inProportion = (weights, k, by) =>
  weights.map((v, l) => (l === k ? v + by : (v * (1 - weights[k] - by)) / (1 - weights[k])));

/** Gradients by central differences. */
const differences = (raise, statistics, name, weights) => weights.map((_, k) => {
  const at = (by) => metric(statistics, name, raise(weights, k, by)).value;
  return (at(STEP) - at(-STEP)) / (2 * STEP);
});

test("gradients are those of the values", () => {
  const random = seeded(4);
  for (const cap of [1000000, 100]) {
    const statistics = randomStatistics(random, SIZES);
    statistics.cosines.cap = cap;
    for (let round = 0; round < 5; round += 1) {
      const weights = simplexPoint(random, SIZES.personas);
      for (const [name, { gradient }] of Object.entries(metrics(statistics, weights))) {
        near(gradient, differences(alone, statistics, name, weights), 1e-5);
      }
    }
  }
});

test("values computed by hand", () => {
  const first = metrics(plain, [1, 0]);
  const values = Object.fromEntries(Object.entries(first).map(([name, { value }]) => [name, value]));
  const spread = 1 / 0.9;
  near([values.FID], [1 + spread - 2 * Math.sqrt(spread)]);
  near([values.MAUVE, values["KL cosine"], values.length, values.JS, values.TV, values.W1], [1, 0, 0, 0, 0, 0]);
  const half = metrics(plain, [0.5, 0.5]);
  near([half.length.value, half.TV.value, half.W1.value], [1, 0.5, 0.5]);
  near([half.JS.value], [(Math.log(4 / 3) + 0.5 * Math.log(2 / 3) + 0.5 * Math.log(2)) / 2]);
  near([mauve(plain, [0, 1]).value], [0.671], 5e-4);
  near(half.TV.gradient, [-0.5, 0.5]);
  near([effectiveSampleSize(plain, [0.5, 0.5])], [4 / 1.1]);
});

test("fidelity is the mean over contexts of the share recognised", () => {
  const contexts = { space: plain.space, given: [0.5, 0.5, 1, 0], recognised: [0.5, 0.25, 0.4, 0] };
  near([metric({ ...plain, contexts }, "fidelity", [0.5, 0.5]).value], [0.55]);
  near([metric({ ...plain, contexts }, "fidelity", [0, 1]).value], [0.4]);
  assert.ok(Number.isNaN(metric({ ...plain, contexts: { ...contexts, given: [0, 0, 0, 0] } }, "fidelity", [0, 1]).value));
});

test("one draw has no spread and no pairs: no value and no gradient", () => {
  for (const single of [fid, klCosine]) {
    const { value, gradient } = single(plain, [0, 1]);
    assert.ok(Number.isNaN(value));
    assert.deepEqual([...gradient], [0, 0]);
  }
});

test("with all weight on few draws, axes without spread add nothing to gradients", () => {
  const random = seeded(5);
  const statistics = randomStatistics(random, { ...SIZES, personas: 2, axes: 32, draws: 3 });
  for (const weights of [[0.5, 0.5], [1, 0], [0, 1]]) {
    for (const { value, gradient } of Object.values(metrics(statistics, weights))) {
      assert.ok([value, ...gradient].every((number) => Math.abs(number) < 100));
    }
  }
});

test("lists and typed arrays give equal results", () => {
  const statistics = randomStatistics(seeded(6), SIZES);
  const lists = JSON.parse(JSON.stringify(statistics, (_, value) => (ArrayBuffer.isView(value) ? Array.from(value) : value)));
  const weights = [0.4, 0.3, 0.2, 0.1];
  assert.deepEqual(metrics(lists, Float64Array.from(weights)), metrics(statistics, weights));
});

test("only the metrics that are defined are named", () => {
  const open = ["FID", "MAUVE", "KL cosine", "length"];
  const joint = ["FID", "MAUVE", "KL cosine", "joint FID", "fidelity", "length"];
  assert.deepEqual(metricNames({ ...plain, answers: null }), open);
  assert.deepEqual(metricNames({ ...plain, contexts: {}, answers: null }), joint);
  assert.deepEqual(metricNames({ ...plain, answers: { ...plain.answers, ordered: false } }), [...open, "JS", "TV"]);
  assert.deepEqual(Object.keys(metrics(plain, [1, 0])), [...open, "JS", "TV", "W1"]);
  assert.deepEqual(joint.filter(higherIsBetter), ["MAUVE", "fidelity"]);
});

test("raising one weight in proportion changes a metric by its contribution", () => {
  const statistics = randomStatistics(seeded(7), SIZES);
  const weights = [0.4, 0.3, 0.2, 0.1];
  for (const [name, { gradient }] of Object.entries(metrics(statistics, weights))) {
    near(contributions(gradient, weights), differences(inProportion, statistics, name, weights), 1e-5);
  }
  assert.deepEqual([...contributions([3, 5], [1, 0])], [0, 2]);
});

test("contributions hold with fewer draws than axes", () => {
  const statistics = randomStatistics(seeded(5), { ...SIZES, personas: 2, axes: 32, draws: 3 });
  const weights = [0.6, 0.4];
  const { gradient } = fid(statistics, weights);
  near(contributions(gradient, weights), differences(inProportion, statistics, "FID", weights), 1e-5);
});
