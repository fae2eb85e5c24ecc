// Option shares of all questions of a survey under other persona weights. The same as in
// engine/questionnaire/reweighted_shares.py; nothing here has a row per respondent.

import { fittedGroups, overallWeights } from "./context_groups.js";

/** Where each question's numbers are in the flat arrays. */
export function placesOfQuestions({ questions, class_sizes: sizes, groups }) {
  let [table, people] = [0, 0];
  return questions.map(({ options, n_contexts: contexts }) => {
    const place = { table, people };
    table += contexts * sizes.length * options.length;
    people += groups.length * options.length;
    return place;
  });
}

/** The persona weights in each cell, flat (M, K): contexts keep their shares. */
export function cellWeights(data, weights) {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return fittedGroups({ groups: data }, weights.map((weight) => weight / total)).weights;
}

/** The overall share of each persona, which differs from its slider where no weights reach it. */
export function overallShares(data, within) {
  return overallWeights(data, within, data.class_sizes.length);
}

function isInside({ codes, places, sizes }, group, cell) {
  const [column, value] = [places[2 * group], places[2 * group + 1]];
  return column < 0 || codes[column * sizes.length + cell] === value;
}

/** Sums of persona weights of a group's cells by each context of the questions: (C, K) each. */
function weightsByContext(data, within, group) {
  const { sizes, contexts, questions, class_sizes: fitted } = data;
  const count = fitted.length;
  const nSets = contexts.length / sizes.length;
  const lengths = Array.from({ length: nSets }, (_, s) => questions.find((question) => question.contexts === s).n_contexts);
  const sums = lengths.map((length) => new Float64Array(length * count));
  let total = 0;
  sizes.forEach((size, m) => {
    if (!isInside(data, group, m)) return;
    total += size;
    for (let s = 0; s < nSets; s += 1) {
      const at = contexts[s * sizes.length + m] * count;
      for (let k = 0; k < count; k += 1) sums[s][at + k] += size * within[m * count + k];
    }
  });
  return sums.map((values) => values.map((value) => value / total));
}

/** The option shares of every question in a group. */
export function questionShares(data, weights, group) {
  const sums = weightsByContext(data, cellWeights(data, weights), group);
  return placesOfQuestions(data).map(({ table }, q) => {
    const { options, contexts } = data.questions[q];
    const found = new Float64Array(options.length);
    sums[contexts].forEach((weight, row) => {
      for (let a = 0; a < found.length; a += 1) found[a] += weight * data.tables[table + row * found.length + a];
    });
    return found;
  });
}

/** People's own shares of a question in a group with their 95 % interval; null where too few answered. */
export function peopleShares(data, q, group) {
  const { people } = placesOfQuestions(data)[q];
  const count = data.questions[q].options.length;
  const at = people + group * count;
  const place = q * data.groups.length + group;
  const n = data.n[place];
  if (!(n >= data.min_people)) return { n, shares: null };
  const cut = (values) => Array.from(values.slice(at, at + count));
  return { n, shares: cut(data.people), low: cut(data.low), high: cut(data.high), floor: data.floors[place] };
}

/** The shares of the pairs of options of two questions over all respondents, flat (A, B). */
export function pairShares(data, weights, first, second) {
  const { sizes, contexts, questions, tables, class_sizes: fitted } = data;
  const within = cellWeights(data, weights);
  const count = fitted.length;
  const [one, two] = [questions[first], questions[second]];
  const [nOne, nTwo] = [one.options.length, two.options.length];
  const sums = new Float64Array(one.n_contexts * two.n_contexts * count);
  const contextOf = (question, m) => contexts[question.contexts * sizes.length + m];
  sizes.forEach((size, m) => {
    const at = (contextOf(one, m) * two.n_contexts + contextOf(two, m)) * count;
    for (let k = 0; k < count; k += 1) sums[at + k] += size * within[m * count + k];
  });
  const places = placesOfQuestions(data);
  const found = new Float64Array(nOne * nTwo);
  sums.forEach((weight, i) => {
    const [k, pair] = [i % count, Math.floor(i / count)];
    const rowOne = places[first].table + (Math.floor(pair / two.n_contexts) * count + k) * nOne;
    const rowTwo = places[second].table + ((pair % two.n_contexts) * count + k) * nTwo;
    for (let a = 0; a < nOne; a += 1) {
      for (let b = 0; b < nTwo; b += 1) found[a * nTwo + b] += weight * tables[rowOne + a] * tables[rowTwo + b];
    }
  });
  return found;
}

/** People's own shares of the pairs of options, flat (A, B); null where too few answered both. */
export function peoplePair(data, first, second) {
  const [low, high] = [Math.min(first, second), Math.max(first, second)];
  let [at, place] = [0, 0];
  for (let q = 0; q <= low; q += 1) {
    for (let r = q + 1; r < (q === low ? high : data.questions.length); r += 1) {
      at += data.questions[q].options.length * data.questions[r].options.length;
      place += 1;
    }
  }
  const [n, floor] = [data.pair_n[place], data.pair_floors[place]];
  if (!(n >= data.min_people)) return { n, shares: null };
  const [nLow, nHigh] = [low, high].map((q) => data.questions[q].options.length);
  const shares = Array.from(data.pairs.slice(at, at + nLow * nHigh));
  if (first === low) return { n, floor, shares };
  return { n, floor, shares: shares.map((_, i) => shares[(i % nLow) * nHigh + Math.floor(i / nLow)]) };
}

/** Total variation distance; NaN without people. */
export function distance(shares, people) {
  return people ? people.reduce((total, share, a) => total + Math.abs(share - shares[a]), 0) / 2 : NaN;
}
