// What is seen, as a line for the notebook.

const DECIMALS = 4;
const HIDDEN = /[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** Round shares so that they still sum to 1 exactly: the largest remainders get the rest. */
export function rounded(weights) {
  const unit = 10 ** DECIMALS;
  const floors = weights.map((weight) => Math.floor(weight * unit + 1e-9));
  let rest = unit - floors.reduce((total, value) => total + value, 0);
  const order = weights.map((weight, i) => [weight * unit - floors[i], i]).sort((a, b) => b[0] - a[0]);
  for (const [, i] of order) if (rest > 0 && weights[i] > 0) { floors[i] += 1; rest -= 1; }
  return floors.map((value) => value / unit);
}

// A text that reads the same in Python; what cannot be seen is spelled out.
const literal = (text) => JSON.stringify(text).replace(HIDDEN,
  (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`);

const plain = (text) => /^[\p{L}\p{N}_][\p{L}\p{N}_.-]*$/u.test(text);
// Quotes, commas and what IPython expands end a name before its end; so do hidden signs.
const quotable = (text) => text === text.trim() && !/[",'\\{}$`\p{C}\p{Zl}\p{Zp}]/u.test(text);

/** The magic's line where its syntax can carry the names, or else a call of the study. */
export function codeOf(name, names, weights) {
  const shares = rounded(weights);
  const pairs = names.map((persona, i) => `${persona}=${shares[i]}`).join(",");
  if (plain(name) && names.every(plain)) return `%mop_simulate ${name} --weights ${pairs}`;
  if ([name, ...names].every(quotable)) {
    const called = plain(name) ? name : `"${name}"`;
    return `%mop_simulate ${called} --weights "${pairs}"`;
  }
  const dict = names.map((persona, i) => `${literal(persona)}: ${shares[i]}`).join(", ");
  return `study.simulate(${literal(name)}, weights={${dict}})`;
}
