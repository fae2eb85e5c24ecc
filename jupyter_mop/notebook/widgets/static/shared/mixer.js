// Moving weights with undo and redo. The state is an object with `weights` and `locked`, and
// whatever else a panel keeps with them.

import { move, rescale, same } from "./simplex.js";

/**
 * Build the actions of a panel.
 *
 * `read()` returns the state of the model and `write(state)` saves it; `held(state)` tells for
 * each persona whether its weight must not move; `traits` are the parts of a state that an undo
 * restores.
 */
export function buildMixer({ read, write, held, traits }) {
  const past = [];
  const future = [];
  let gesture = null;

  function step(next) {
    const current = read();
    if (traits.every((trait) => same(current[trait], next[trait]))) return;
    past.push(current);
    future.length = 0;
    write(next);
  }

  function restore(from, to) {
    if (!from.length) return;
    to.push(read());
    write(from.pop());
  }

  /** Move one weight. All moves of one gesture are one undo and keep its first proportions. */
  function slide(index, value) {
    const state = read();
    const continues = gesture?.index === index && same(gesture.weights, state.weights);
    const proportions = continues ? gesture.proportions : state.weights;
    const target = Math.round(1000 * value) / 1000;
    const weights = move(state.weights, held(state), index, target, proportions);
    if (same(weights, state.weights)) return;
    gesture = { index, proportions, weights };
    if (continues) write({ ...state, weights });
    else step({ ...state, weights });
  }

  /** Give the weights that can move these proportions. */
  function spread(proportions) {
    const state = read();
    if (held(state).includes(false)) step({ ...state, weights: rescale(state.weights, held(state), proportions) });
  }

  function toggleLock(index) {
    const state = read();
    step({ ...state, locked: state.locked.map((lock, i) => (i === index ? !lock : lock)) });
  }

  return {
    read, step, slide, spread, toggleLock,
    held: () => held(read()),
    endGesture: () => { gesture = null; },
    undo: () => restore(past, future),
    redo: () => restore(future, past),
    canUndo: () => past.length > 0,
    canRedo: () => future.length > 0,
  };
}
