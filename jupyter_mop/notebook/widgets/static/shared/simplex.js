// Weights on the simplex: pure functions, shared by the panels.
// A persona without any draws is for its caller to keep locked at 0.

export const sum = (values) => values.reduce((total, value) => total + value, 0);
export const same = (a, b) => a.length === b.length && a.every((value, i) => value === b[i]);
export const percent = (weight) => `${(100 * weight).toFixed(1)}%`;
export const either = (a, b) => a.map((flag, i) => flag || b[i]);

const put = (values, index, value) => values.map((old, i) => (i === index ? value : old));

/** Held weights stay; the rest share what is left in proportion to `shape`, or equally. */
export function rescale(weights, held, shape) {
  const rest = (values) => values.filter((_, i) => !held[i]);
  const left = Math.max(0, 1 - sum(weights.filter((_, i) => held[i])));
  const total = sum(rest(shape));
  const equal = left / rest(weights).length;
  return weights.map((weight, i) => {
    if (held[i]) return weight;
    return total > 1e-9 ? (left * shape[i]) / total : equal;
  });
}

/** The most that one weight can be: what the other locked ones leave. */
export function reach(weights, locked, index) {
  return Math.max(0, 1 - sum(weights.filter((_, i) => locked[i] && i !== index)));
}

/** Whether one weight can move: it is not locked, and neither is some other. */
export function movable(locked, index) {
  return !locked[index] && locked.some((lock, i) => !lock && i !== index);
}

/** Move one weight; the unlocked others keep the proportions of `shape`. */
export function move(weights, locked, index, value, shape = weights) {
  if (Number.isNaN(value) || !movable(locked, index)) return weights;
  const target = Math.min(Math.max(value, 0), reach(weights, locked, index));
  return rescale(put(weights, index, target), put(locked, index, true), shape);
}

// A mixer's state is { weights, locked, muted } and, once they are used, `kept`: the shares that
// muted personas would have were nobody muted, and `solo`: { index, before }.

const keptOf = ({ weights, muted, kept }) =>
  weights.map((_, i) => (muted[i] ? (kept?.[i] ?? 1 / weights.length) : 0));

/** Whether one persona can be muted: others that are not muted can take its share. */
export function mutable({ weights, locked, muted }, index) {
  const others = weights.map((_, i) => i).filter((i) => i !== index && !muted[i]);
  const taken = sum(others.map((i) => weights[i]));
  return !muted[index] && (others.some((i) => !locked[i]) || taken > 1 - 1e-9);
}

const room = (kept, left) => Math.max(1e-6, 1 - sum(kept) / Math.max(left, 1e-9));

/** Mute one persona: the free rest takes its share in proportion. */
export function mute(state, index) {
  if (!mutable(state, index)) return state;
  const { weights, locked, muted } = state;
  const held = put(either(locked, muted), index, true);
  const kept = keptOf(state);
  kept[index] = weights[index] * room(kept, reach(weights, locked, index));
  return {
    ...state,
    weights: rescale(put(weights, index, 0), held, weights),
    muted: put(muted, index, true),
    kept,
  };
}

/** Unmute one persona: it takes back from the free rest the share that it had. */
export function unmute(state, index) {
  const { weights, locked, muted } = state;
  if (!muted[index]) return state;
  const held = put(either(locked, muted), index, true);
  const left = reach(weights, locked, index);
  const kept = put(keptOf(state), index, 0);
  const share = Math.min(left, keptOf(state)[index] / room(kept, left));
  return {
    ...state,
    weights: rescale(put(weights, index, share), held, weights),
    muted: put(muted, index, false),
    kept,
  };
}

/** Whether one persona has all the weight because it was soloed. */
export function soloed({ weights, solo }, index) {
  return solo?.index === index && weights[index] === 1;
}

/** Give one persona all the weight, locks or not; again: back to how it was before. */
export function solo(state, index) {
  if (soloed(state, index)) return state.solo.before;
  const before = state.solo && soloed(state, state.solo.index) ? state.solo.before : { ...state, solo: null };
  return {
    ...before,
    weights: state.weights.map((_, i) => (i === index ? 1 : 0)),
    muted: put(before.muted, index, false),
    kept: put(keptOf(before), index, 0),
    solo: { index, before },
  };
}
