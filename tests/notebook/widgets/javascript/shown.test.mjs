import assert from "node:assert/strict";
import { test } from "node:test";

import { changeOf, shownMetric } from "../../../../jupyter_mop/notebook/widgets/static/alignment/shown.js";
import { otherResponses } from "../../../../jupyter_mop/notebook/widgets/static/alignment/align.js";

const exactAt = (value, floor = 0.1) => ({ value, low: value - 0.02, high: value + 0.02, floor });
const fast = { value: 0.03, start: 0.039, floor: 0.013 };

test("without a kernel a metric is a fast estimate from start to end", () => {
  const shown = shownMetric("FID", fast, undefined);
  assert.deepEqual([shown.kind, shown.value, shown.start, shown.floor], ["fast estimate", 0.03, 0.039, 0.013]);
});

test("exact values have an exact start and an exact floor", () => {
  const exact = { first: exactAt(0.372), last: { ...exactAt(0.36), fast: 0.03, fastFloor: 0.013 }, isCurrent: true };
  const shown = shownMetric("FID", fast, exact);
  assert.deepEqual([shown.kind, shown.value, shown.start, shown.floor], ["exact", 0.36, 0.372, 0.1]);
});

test("a fast estimate starts from the latest exact value", () => {
  const exact = { first: exactAt(0.372), last: { ...exactAt(0.372), fast: 0.039, fastFloor: 0.013 }, isCurrent: false };
  const shown = shownMetric("FID", fast, exact);
  assert.equal(shown.kind, "fast estimate");
  assert.ok(Math.abs(shown.value - 0.363) < 1e-9);
  assert.equal(shown.start, 0.372);
  assert.ok(shown.low < shown.value && shown.value < shown.high);
  assert.ok(Math.abs(shown.floor - 0.1) < 1e-9);
});

test("estimates stay inside the metric's range", () => {
  const last = { value: 0.99, low: 0.97, high: 1, floor: 0.98, fast: 0.8, fastFloor: 0.9 };
  const shown = shownMetric("MAUVE", { value: 0.9, start: 0.8, floor: 0.95 }, { first: last, last, isCurrent: false });
  assert.equal(shown.value, 1);
});

test("the browser's values of other metrics are final and have no kind", () => {
  assert.equal(shownMetric("TV", fast, undefined).kind, "");
});

test("a change inside the interval is not clear", () => {
  const at = (value, start) => ({ value, start, low: value - 0.02, high: value + 0.02 });
  assert.equal(changeOf(at(0.36, 0.372), "lower"), "unclear");
  assert.equal(changeOf(at(0.3, 0.372), "lower"), "better");
  assert.equal(changeOf(at(0.3, 0.372), "higher"), "worse");
  assert.equal(changeOf(at(0.3, 0.3), "higher"), "none");
  assert.equal(changeOf({ value: 0.3, start: 0.2, low: NaN, high: NaN }, "higher"), "better");
});

test("the gain on other responses is told as it is", () => {
  assert.equal(otherResponses({ gain: 0.02, is_clear: true }), "on others better by 0.020");
  assert.equal(otherResponses({ gain: -0.02, is_clear: false }), "on others no clear gain (worse by 0.020 on average)");
  assert.equal(otherResponses({ error: "too few" }), "too few");
});
