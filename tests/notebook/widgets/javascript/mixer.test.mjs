import assert from "node:assert/strict";
import test from "node:test";

import { buildMixer } from "../../../../jupyter_mop/notebook/widgets/static/shared/mixer.js";
import { near } from "./tools.mjs";

/** A mixer of a state that is kept in memory. */
function mixerOf(weights, locked = weights.map(() => false)) {
  let state = { weights, locked };
  return buildMixer({
    read: () => state,
    write: (next) => { state = next; },
    held: (current) => current.locked,
    traits: ["weights", "locked"],
  });
}

test("all moves of one gesture are one undo and keep its first proportions", () => {
  const mixer = mixerOf([0.4, 0.3, 0.3]);
  mixer.slide(0, 1);
  near(mixer.read().weights, [1, 0, 0]);
  mixer.slide(0, 0.4);
  near(mixer.read().weights, [0.4, 0.3, 0.3]);
  mixer.slide(0, 0.7);
  mixer.endGesture();
  mixer.slide(0, 0.8);
  mixer.undo();
  near(mixer.read().weights, [0.7, 0.15, 0.15]);
  mixer.undo();
  near(mixer.read().weights, [0.4, 0.3, 0.3]);
  assert.equal(mixer.canUndo(), false);
  mixer.redo();
  near(mixer.read().weights, [0.7, 0.15, 0.15]);
});

test("a new step clears what could be redone, and an equal state is no step", () => {
  const mixer = mixerOf([0.5, 0.5]);
  mixer.slide(0, 0.7);
  mixer.undo();
  assert.equal(mixer.canRedo(), true);
  mixer.step({ ...mixer.read() });
  assert.equal(mixer.canRedo(), true);
  mixer.toggleLock(1);
  assert.equal(mixer.canRedo(), false);
  assert.deepEqual(mixer.held(), [false, true]);
});

test("proportions spread over the weights that are not locked", () => {
  const mixer = mixerOf([0.4, 0.3, 0.3], [true, false, false]);
  mixer.spread([1, 2, 1]);
  near(mixer.read().weights, [0.4, 0.4, 0.2]);
  const locked = mixerOf([0.5, 0.5], [true, true]);
  locked.spread([1, 3]);
  near(locked.read().weights, [0.5, 0.5]);
});
