// What the kernel or the page sent, as typed arrays and texts.

const LEFT_OUT = "The words of a real person, left out of the saved notebook.";

// A buffer is a view into a larger one: honour where it begins, and align it by copying.
function typed(Kind, { buffer, byteOffset, byteLength }) {
  return new Kind(buffer.slice(byteOffset, byteOffset + byteLength));
}

function doubles(value) {
  if (ArrayBuffer.isView(value)) return typed(Float64Array, value);
  if (value === null || typeof value !== "object" || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, doubles(inner)]));
}

function groups(persona, count) {
  const listed = Array.from({ length: count }, () => []);
  persona.forEach((k, i) => k >= 0 && listed[k].push(i));
  return listed.map((indices) => Int32Array.from(indices));
}

function decodePoints(sent, count) {
  const persona = typed(Int16Array, sent.persona);
  const texts = JSON.parse(new TextDecoder().decode(sent.texts));
  const text = (index) => (index < 0 ? null : texts.strings[index]);
  let lower;
  return {
    length: persona.length,
    xy: typed(Float32Array, sent.xy),
    persona,
    cluster: typed(Int16Array, sent.cluster),
    real: sent.real,
    groups: groups(persona, count),
    response: (i) => text(texts.response[i]) ?? LEFT_OUT,
    isTold: (i) => texts.response[i] >= 0,
    read: (i) => ({
      context: text(texts.context[i]),
      exemplar: text(texts.exemplar[i]),
      prompt: texts.prompt[i]?.map(text).join("\n\n"),
    }),
    /** The points whose response holds `words`, whatever the case. */
    search(words) {
      lower ??= texts.strings.map((string) => string.toLowerCase());
      const wanted = words.toLowerCase();
      const found = lower.map((string) => string.includes(wanted));
      return persona.reduce((all, _, i) => (found[texts.response[i]] && all.push(i), all), []);
    },
  };
}

export function decode(model) {
  const statistics = doubles(model.get("statistics"));
  return {
    names: model.get("names"),
    colours: model.get("colours"),
    notes: model.get("notes"),
    statistics,
    counts: statistics.counts,
    undrawn: Array.from(statistics.counts, (count) => count === 0),
    total: statistics.counts.reduce((all, count) => all + count, 0),
    points: decodePoints(model.get("points"), model.get("names").length),
  };
}
