import assert from "node:assert/strict";
import test from "node:test";

import {
  eitherFlag, isMovable, isMutable, isSolo, move, mute, percent, reach, rescale, same, sum, toggleSolo, unmute,
} from "../../../../jupyter_mop/notebook/widgets/static/shared/simplex.js";
import { near, seeded, sharedCases } from "./tools.mjs";

const none = (n) => Array(n).fill(false);
const mixer = (weights, locked = none(weights.length)) =>
  ({ weights, locked, muted: none(weights.length) });

test("the other weights keep their proportions", () => {
  near(move([0.4, 0.3, 0.2, 0.1], none(4), 0, 0.7), [0.7, 0.15, 0.1, 0.05]);
});

test("other weights of zero share equally", () => {
  near(move([1, 0, 0], none(3), 0, 0.4), [0.4, 0.3, 0.3]);
});

test("the proportions at the start of a drag are restored", () => {
  near(move([1, 0, 0], none(3), 0, 0.4, [0.4, 0.5, 0.1]), [0.4, 0.5, 0.1]);
});

test("locked weights stay and bound the others", () => {
  const weights = [0.4, 0.3, 0.2, 0.1];
  const locked = [true, false, false, true];
  near([reach(weights, locked, 1)], [0.5]);
  near(move(weights, locked, 1, 0.9), [0.4, 0.5, 0, 0.1]);
  near(move(weights, locked, 1, -1), [0.4, 0, 0.5, 0.1]);
  assert.equal(move(weights, locked, 0, 0.9), weights);
});

test("no weight moves if all others are locked, or to NaN", () => {
  for (const n of [1, 3]) {
    const weights = Array(n).fill(1 / n);
    const locked = weights.map((_, i) => i > 0);
    assert.equal(isMovable(locked, 0), false);
    assert.equal(move(weights, locked, 0, 0.1), weights);
  }
  const weights = [0.5, 0.5];
  assert.equal(move(weights, none(2), 0, NaN), weights);
});

test("held weights stay when the others take other proportions", () => {
  near(rescale([0.5, 0.3, 0.2], [true, false, false], [9, 1, 3]), [0.5, 0.125, 0.375]);
  near(rescale([0.5, 0.3, 0.2], [true, false, false], [9, 0, 0]), [0.5, 0.25, 0.25]);
});

test("small helpers", () => {
  assert.equal(percent(0.12345), "12.3%");
  assert.equal(sum([1, 2, 3]), 6);
  assert.ok(same([1, 2], [1, 2]) && !same([1, 2], [1, 3]) && !same([1], [1, 2]));
  assert.deepEqual(eitherFlag([true, false, false], [false, false, true]), [true, false, true]);
});

test("a muted persona gives its share in proportion and takes it back", () => {
  const start = mixer([0.5, 0.3, 0.2]);
  const muted = mute(start, 0);
  near(muted.weights, [0, 0.6, 0.4]);
  assert.deepEqual(muted.muted, [true, false, false]);
  assert.equal(mute(muted, 0), muted);
  const back = unmute(muted, 0);
  near(back.weights, [0.5, 0.3, 0.2]);
  assert.deepEqual(back.muted, none(3));
  assert.equal(unmute(back, 0), back);
});

test("locked weights stay when another persona is muted", () => {
  const start = mixer([0.4, 0.3, 0.2, 0.1], [false, false, true, false]);
  const muted = mute(start, 0);
  near(muted.weights, [0, 0.6, 0.2, 0.2]);
  near(unmute(muted, 0).weights, start.weights);
});

test("unmuting in any order restores all weights", () => {
  for (const locked of [none(4), [false, false, true, false]]) {
    const start = mixer([0.4, 0.3, 0.2, 0.1], locked);
    const muted = mute(mute(start, 0), 1);
    near(unmute(unmute(muted, 0), 1).weights, start.weights);
    near(unmute(unmute(muted, 1), 0).weights, start.weights);
  }
});

test("a persona with all the weight can be muted, and one of the others too", () => {
  const muted = mute(mixer([1, 0, 0]), 0);
  near(muted.weights, [0, 0.5, 0.5]);
  near(unmute(muted, 0).weights, [1, 0, 0]);
  near(unmute(mute(muted, 1), 1).weights, [0, 0.5, 0.5]);
});

test("weights moved during a mute keep their proportions", () => {
  const muted = mute(mixer([0.5, 0.3, 0.2]), 0);
  const moved = { ...muted, weights: move(muted.weights, muted.muted, 1, 0.9) };
  near(moved.weights, [0, 0.9, 0.1]);
  near(unmute(moved, 0).weights, [0.5, 0.45, 0.05]);
});

test("the last persona that is not muted cannot be muted", () => {
  const two = mute(mixer([0.2, 0.8]), 0);
  assert.equal(isMutable(two, 1), false);
  assert.equal(mute(two, 1), two);
  const one = mixer([1]);
  assert.equal(mute(one, 0), one);
});

test("a persona is not muted if no other can take its share", () => {
  const held = mixer([0.5, 0.5, 0], [false, true, true]);
  assert.equal(mute(held, 0), held);
  const { weights, muted } = mute(mixer([0, 0.5, 0.5], [false, true, true]), 0);
  near(weights, [0, 0.5, 0.5]);
  assert.deepEqual(muted, [true, false, false]);
});

test("solo gives one persona all the weight, and a second solo restores the weights", () => {
  const start = mute(mixer([0.4, 0.3, 0.2, 0.1], [false, true, false, false]), 3);
  const alone = toggleSolo(start, 0);
  assert.deepEqual(alone.weights, [1, 0, 0, 0]);
  assert.ok(isSolo(alone, 0) && !isSolo(alone, 1) && !isSolo(start, 0));
  const other = toggleSolo(alone, 3);
  assert.deepEqual(other.weights, [0, 0, 0, 1]);
  assert.equal(other.muted[3], false);
  const back = toggleSolo(other, 3);
  near(back.weights, start.weights);
  assert.deepEqual(back.muted, start.muted);
  near(unmute(back, 3).weights, [0.4, 0.3, 0.2, 0.1]);
});

test("a move ends a solo, and the next solo restores that move", () => {
  const alone = toggleSolo(mixer([0.5, 0.3, 0.2]), 0);
  const moved = { ...alone, weights: [0.6, 0.4, 0] };
  assert.equal(isSolo(moved, 0), false);
  assert.equal(toggleSolo(moved, 0).solo.before.solo, null);
  assert.deepEqual(toggleSolo(toggleSolo(moved, 0), 0).weights, [0.6, 0.4, 0]);
});

test("a muted persona with an unknown previous share takes an equal one", () => {
  near(unmute({ weights: [0, 1], locked: none(2), muted: [true, false] }, 0).weights, [0.5, 0.5]);
});

test("after any actions, weights are on the simplex and muted ones 0", () => {
  const random = seeded(1);
  const pick = (n) => Math.floor(n * random());
  for (const n of [1, 2, 3, 20, 100]) {
    let state = mixer(Array(n).fill(1 / n));
    for (let step = 0; step < 500; step += 1) {
      const i = pick(n);
      const held = eitherFlag(state.locked, state.muted);
      const locked = state.locked.map((lock, j) => (j === i ? !lock : lock));
      const weights = move(state.weights, held, i, [0, 1, random()][pick(3)]);
      state = [() => mute(state, i), () => unmute(state, i), () => toggleSolo(state, i),
        () => ({ ...state, locked }), () => ({ ...state, weights })][pick(5)]();
      near([sum(state.weights)], [1], 1e-9);
      assert.ok(state.weights.every((weight, j) => weight >= 0 && !(state.muted[j] && weight > 0)));
      assert.ok(state.muted.includes(false));
    }
  }
});

for (const [i, { call, arguments: values, expected }] of sharedCases().simplex.entries()) {
  test(`as in Python: ${i}, ${call}`, () => near({ move, reach, rescale }[call](...values), expected, 1e-6));
}
