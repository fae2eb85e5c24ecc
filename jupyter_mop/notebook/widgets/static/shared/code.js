// The notebook code that reweights the simulation to the weights on the screen, under a new name.

const DECIMALS = 4;
const INVISIBLE = /[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** Round shares so that they still sum to exactly 1 (largest remainder method). */
export function roundShares(weights) {
  const unit = 10 ** DECIMALS;
  const floors = weights.map((weight) => Math.floor(weight * unit + 1e-9));
  let rest = unit - floors.reduce((total, value) => total + value, 0);
  const order = weights.map((weight, i) => [weight * unit - floors[i], i]).sort((a, b) => b[0] - a[0]);
  for (const [, i] of order) if (rest > 0 && weights[i] > 0) { floors[i] += 1; rest -= 1; }
  return floors.map((value) => value / unit);
}

/** A Python string literal; invisible characters are escaped. */
const pythonString = (text) => JSON.stringify(text).replace(INVISIBLE,
  (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);

const isWord = (text) => /^[\p{L}\p{N}_][\p{L}\p{N}_.-]*$/u.test(text);
// Quotes, commas, invisible characters and what IPython expands cannot stand in a quoted name.
const isQuotable = (text) => text === text.trim() && !/[",'\\{}$`\p{C}\p{Zl}\p{Zp}]/u.test(text);

/** The name of the next result: first_2 after first, first_3 after first_2. */
export function nextName(name) {
  const [, start, number] = /^(.*?)(?:_(\d+))?$/s.exec(name);
  return `${start}_${number === undefined ? 2 : Number(number) + 1}`;
}

/** A line with the magic if its syntax allows the names, else a call of the study. */
export function codeOf(name, personas, weights) {
  const shares = roundShares(weights);
  const next = nextName(name);
  const pairs = personas.map((persona, i) => `${persona}=${shares[i]}`).join(",");
  if (isWord(name) && personas.every(isWord)) return `%mop_reweight ${name} --weights ${pairs} --as ${next}`;
  if ([name, ...personas].every(isQuotable)) {
    const [from, to] = isWord(name) ? [name, next] : [`"${name}"`, `"${next}"`];
    return `%mop_reweight ${from} --weights "${pairs}" --as ${to}`;
  }
  const dict = personas.map((persona, i) => `${pythonString(persona)}: ${shares[i]}`).join(", ");
  return `study.reweight(${pythonString(name)}, {${dict}}, kept_as=${pythonString(next)})`;
}
