// Decode the traits: bytes become typed arrays, indices become texts.

import { decodeArrays, typedArray } from "../shared/arrays.js";

const HIDDEN_TEXT = "A real person's response, which the saved notebook does not contain.";

/** The indices of each persona's points. */
function pointsByPersona(persona, count) {
  const groups = Array.from({ length: count }, () => []);
  persona.forEach((k, i) => k >= 0 && groups[k].push(i));
  return groups.map((indices) => Int32Array.from(indices));
}

function decodePoints(wire, count) {
  const persona = typedArray(Int16Array, wire.persona);
  const texts = JSON.parse(new TextDecoder().decode(wire.texts));
  const text = (index) => (index < 0 ? null : texts.strings[index]);
  let lowerCase;
  return {
    length: persona.length,
    xy: typedArray(Float32Array, wire.xy),
    persona,
    cluster: typedArray(Int16Array, wire.cluster),
    nReal: wire.real,
    groups: pointsByPersona(persona, count),
    response: (i) => text(texts.response[i]) ?? HIDDEN_TEXT,
    hasResponse: (i) => texts.response[i] >= 0,
    details: (i) => ({
      context: text(texts.context[i]),
      exemplar: text(texts.exemplar[i]),
      prompt: texts.prompt[i]?.map(text).join("\n\n"),
    }),
    /** The points whose response contains `query`, ignoring case. */
    search(query) {
      lowerCase ??= texts.strings.map((string) => string.toLowerCase());
      const isMatch = lowerCase.map((string) => string.includes(query.toLowerCase()));
      return persona.reduce((matches, _, i) => (isMatch[texts.response[i]] && matches.push(i), matches), []);
    },
  };
}

export function decode(model) {
  const statistics = decodeArrays(model.get("statistics"));
  return {
    names: model.get("names"),
    colours: model.get("colours"),
    notes: model.get("notes"),
    statistics,
    counts: statistics.counts,
    undrawn: Array.from(statistics.counts, (count) => count === 0),
    total: statistics.counts.reduce((total, count) => total + count, 0),
    points: decodePoints(model.get("points"), model.get("names").length),
  };
}
