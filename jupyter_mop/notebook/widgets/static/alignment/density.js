// How alike responses are: pairwise cosines of real and of simulated responses, as two curves.

import { drawn, node } from "../shared/elements.js";

const [WIDE, HIGH, BASE] = [360, 140, 118];

/** The density of cosines under these weights: pairs of two different draws. */
export function cosineShares({ inverse_sizes: sizes, cosines }, weights) {
  const bins = cosines.target.length;
  const shares = new Float64Array(bins);
  const left = 1 - weights.reduce((total, v, k) => total + v * v * sizes[k], 0);
  weights.forEach((v, k) => weights.forEach((u, l) => {
    const factor = v * u - (k === l ? v * v * sizes[k] : 0);
    if (factor <= 0) return;
    const from = (k * weights.length + l) * bins;
    for (let b = 0; b < bins; b++) shares[b] += factor * cosines.pairs[from + b];
  }));
  return left > 1e-12 ? shares.map((share) => share / left) : shares;
}

function seenRange(target, pairs) {
  const bins = target.length;
  const all = Array.from(target, (share, b) => {
    let most = share;
    for (let from = 0; from < pairs.length; from += bins) most = Math.max(most, pairs[from + b]);
    return most;
  });
  const wanted = 0.002;
  const first = Math.max(0, all.findIndex((share) => share > wanted) - 1);
  const last = Math.min(bins - 1, all.findLastIndex((share) => share > wanted) + 1);
  return last - first > 1 ? [first, last] : [0, bins - 1];
}

export function buildDensity({ statistics }) {
  const { target: pairs, pairs: simulated } = statistics.cosines;
  const bins = pairs.length;
  const count = pairs.reduce((total, value) => total + value, 0) || 1;
  const target = Float64Array.from(pairs, (value) => value / count);
  const [first, last] = seenRange(target, simulated);
  let top = 1.25 * Math.max(...target);
  const across = (b) => (WIDE * (b - first)) / (last - first);

  function curve(shares) {
    let path = `M0 ${BASE}`;
    for (let b = first; b <= last; b++) path += `L${across(b).toFixed(1)} ${(BASE - (BASE - 6) * Math.min(1, shares[b] / top)).toFixed(1)}`;
    return `${path}L${WIDE} ${BASE}`;
  }

  const real = drawn("path", { class: "mop-real-curve" });
  const line = drawn("path", { class: "mop-simulated-curve" });
  const cosine = (b) => (2 * (b + 0.5)) / bins - 1;
  const step = cosine(last) - cosine(first) > 1 ? 0.5 : 0.2;
  const ticks = [];
  for (let c = Math.ceil(cosine(first) / step) * step; c <= cosine(last); c += step) {
    const x = across(((c + 1) * bins) / 2 - 0.5);
    if (x > 8 && x < WIDE - 8) ticks.push(drawn("path", { d: `M${x} ${BASE}v4`, class: "mop-axis" }), drawn("text", { x, y: BASE + 16, "text-anchor": "middle" }, (Math.round(10 * c) / 10 || 0).toFixed(1)));
  }
  const picture = drawn("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", "aria-label": "Density of the cosines between two responses, real and simulated" },
    real, line, drawn("path", { d: `M0 ${BASE}H${WIDE}`, class: "mop-axis" }), ...ticks);
  const element = node("section", { class: "mop-card mop-density", "aria-label": "Diversity" },
    node("h4", {}, "How alike two responses are", node("small", {}, node("i", { class: "mop-key mop-key-real" }), "real ", node("i", { class: "mop-key" }), "simulated")), picture);

  return {
    element,
    draw({ weights }) {
      const shares = cosineShares(statistics, weights);
      top = Math.max(top, 1.05 * Math.max(...shares));
      real.setAttribute("d", curve(target));
      line.setAttribute("d", curve(shares));
    },
  };
}
