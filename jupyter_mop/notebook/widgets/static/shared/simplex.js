// Weights on the simplex: pure functions, shared by the panels.
// The caller keeps a persona without draws locked at 0.

export const sum = (values) => values.reduce((total, value) => total + value, 0);
export const same = (a, b) => a.length === b.length && a.every((value, i) => value === b[i]);
export const percent = (weight) => `${(100 * weight).toFixed(1)}%`;
export const eitherFlag = (a, b) => a.map((flag, i) => flag || b[i]);

const replaceAt = (values, index, value) => values.map((old, i) => (i === index ? value : old));

/** Held weights stay; the others share the rest in proportion to `proportions`, or equally. */
export function rescale(weights, held, proportions) {
  const free = (values) => values.filter((_, i) => !held[i]);
  const rest = Math.max(0, 1 - sum(weights.filter((_, i) => held[i])));
  const total = sum(free(proportions));
  const equal = rest / free(weights).length;
  return weights.map((weight, i) => {
    if (held[i]) return weight;
    return total > 1e-9 ? (rest * proportions[i]) / total : equal;
  });
}

/** The upper limit of one weight: what the other locked ones leave. */
export function reach(weights, locked, index) {
  return Math.max(0, 1 - sum(weights.filter((_, i) => locked[i] && i !== index)));
}

/** Whether one weight can move: it is not locked, and neither is one of the others. */
export function isMovable(locked, index) {
  return !locked[index] && locked.some((lock, i) => !lock && i !== index);
}

/** Move one weight; the unlocked others keep `proportions`. */
export function move(weights, locked, index, value, proportions = weights) {
  if (Number.isNaN(value) || !isMovable(locked, index)) return weights;
  const target = Math.min(Math.max(value, 0), reach(weights, locked, index));
  return rescale(replaceAt(weights, index, target), replaceAt(locked, index, true), proportions);
}

// A mixer's state is { weights, locked, muted } and, after a mute or solo, `reserved`: the share
// that each muted persona would have if no persona were muted, and `solo`: { index, before }.

const reservedShares = ({ weights, muted, reserved }) =>
  weights.map((_, i) => (muted[i] ? (reserved?.[i] ?? 1 / weights.length) : 0));

/** Whether one persona can be muted: others that are not muted can take its share. */
export function isMutable({ weights, locked, muted }, index) {
  const others = weights.map((_, i) => i).filter((i) => i !== index && !muted[i]);
  const total = sum(others.map((i) => weights[i]));
  return !muted[index] && (others.some((i) => !locked[i]) || total > 1 - 1e-9);
}

const unreservedShare = (reserved, limit) => Math.max(1e-6, 1 - sum(reserved) / Math.max(limit, 1e-9));

/** Mute one persona: the free others take its share in proportion. */
export function mute(state, index) {
  if (!isMutable(state, index)) return state;
  const { weights, locked, muted } = state;
  const held = replaceAt(eitherFlag(locked, muted), index, true);
  const reserved = reservedShares(state);
  reserved[index] = weights[index] * unreservedShare(reserved, reach(weights, locked, index));
  return {
    ...state,
    weights: rescale(replaceAt(weights, index, 0), held, weights),
    muted: replaceAt(muted, index, true),
    reserved,
  };
}

/** Unmute one persona: it takes its share back from the free others. */
export function unmute(state, index) {
  const { weights, locked, muted } = state;
  if (!muted[index]) return state;
  const held = replaceAt(eitherFlag(locked, muted), index, true);
  const limit = reach(weights, locked, index);
  const reserved = replaceAt(reservedShares(state), index, 0);
  const share = Math.min(limit, reservedShares(state)[index] / unreservedShare(reserved, limit));
  return {
    ...state,
    weights: rescale(replaceAt(weights, index, share), held, weights),
    muted: replaceAt(muted, index, false),
    reserved,
  };
}

/** Whether one persona has all the weight because of a solo. */
export function isSolo({ weights, solo }, index) {
  return solo?.index === index && weights[index] === 1;
}

/** Give one persona all the weight, whatever is locked; a second call restores the state before. */
export function toggleSolo(state, index) {
  if (isSolo(state, index)) return state.solo.before;
  const before = state.solo && isSolo(state, state.solo.index) ? state.solo.before : { ...state, solo: null };
  return {
    ...before,
    weights: state.weights.map((_, i) => (i === index ? 1 : 0)),
    muted: replaceAt(before.muted, index, false),
    reserved: replaceAt(reservedShares(before), index, 0),
    solo: { index, before },
  };
}
