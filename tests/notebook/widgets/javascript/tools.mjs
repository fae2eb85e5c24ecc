// What the tests share: closeness and a seeded generator (mulberry32).
import assert from "node:assert/strict";

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
