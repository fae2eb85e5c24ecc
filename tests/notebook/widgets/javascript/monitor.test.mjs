import assert from "node:assert/strict";
import { test } from "node:test";
import { counts, formatRate, formatSeconds, statusText } from "../../../../jupyter_mop/notebook/widgets/static/monitor/monitor.js";

const NOTHING = { tokens: 0, cached: 0, cost: null, retries: {}, failures: {} };

test("a time reads as seconds, minutes or hours", () => {
  const texts = [0, 0.4, 0.6, 59.4, 59.6, 65, 3599.6, 7389].map(formatSeconds);
  assert.deepEqual(texts, ["under 1 s", "under 1 s", "1 s", "59 s", "1:00", "1:05", "1:00:00", "2:03:09"]);
});

test("a rate is per second or per minute, and empty if it is not known", () => {
  assert.deepEqual([0, 0.05, 1, 12.34, 1234.5].map(formatRate),
    ["", "3.0 per minute", "1.0 per second", "12.3 per second", "1,235 per second"]);
});

test("counts at zero are left out", () => {
  assert.deepEqual(counts(NOTHING), []);
});

test("a cost is shown if the price is known, small ones with four digits", () => {
  const cost = (dollars) => counts({ ...NOTHING, cost: dollars }).map(([, value]) => value);
  assert.deepEqual([null, 0, 0.00123, 12.3].map(cost), [[], ["$0.0000"], ["$0.0012"], ["$12.30"]]);
});

test("each reason of a retry or failure is shown with its count", () => {
  const state = { ...NOTHING, tokens: 12345, cached: 3, retries: { slow: 2 }, failures: { "<b>": 1, no: 4 } };
  assert.deepEqual(counts(state), [
    ["tokens", "12,345"],
    ["cached", "3"],
    ["retried", "2 \u00d7 slow", true],
    ["failed", "1 \u00d7 <b>", true],
    ["failed", "4 \u00d7 no", true],
  ]);
});

test("the status says what is done, for how long, and the time left in all", () => {
  const steps = [{ done: 100, total: 100 }, { done: 20, total: 300 }];
  assert.equal(statusText({ status: "running", steps, seconds: 65, left: 130 }),
    "Running \u00b7 30 % \u00b7 1:05 so far \u00b7 about 2:10 left");
  assert.equal(statusText({ status: "running", steps: [], seconds: 0, left: null }), "Running \u00b7 under 1 s so far");
  assert.equal(statusText({ status: "failed", steps, seconds: 65, left: null }), "Failed \u00b7 after 1:05");
});
