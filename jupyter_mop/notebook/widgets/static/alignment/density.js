// Response similarity: the densities of pairwise cosines of real and of simulated responses.

import { cellShares } from "../metrics/context_groups.js";
import { node, svgNode } from "../shared/elements.js";

const [WIDTH, HEIGHT, BASELINE] = [360, 140, 118];
const MIN_VISIBLE_SHARE = 0.002;

/** The shares of cosines in each bin under these weights, over pairs of different draws. */
export function cosineShares(statistics, personaWeights) {
  const { inverse_sizes: sizes, cosines } = statistics;
  const weights = cellShares(statistics, personaWeights);
  const bins = cosines.target.length;
  const shares = new Float64Array(bins);
  const total = 1 - weights.reduce((diagonal, v, k) => diagonal + v * v * sizes[k], 0);
  weights.forEach((v, k) => weights.forEach((u, l) => {
    const factor = v * u - (k === l ? v * v * sizes[k] : 0);
    if (factor <= 0) return;
    const start = (k * weights.length + l) * bins;
    for (let b = 0; b < bins; b++) shares[b] += factor * cosines.pairs[start + b];
  }));
  return total > 1e-12 ? shares.map((share) => share / total) : shares;
}

/** The first and the last bin to show: those with a visible share at any weights. */
function visibleBins(target, pairs) {
  const bins = target.length;
  const largest = Array.from(target, (share, b) => {
    let maximum = share;
    for (let start = 0; start < pairs.length; start += bins) maximum = Math.max(maximum, pairs[start + b]);
    return maximum;
  });
  const first = Math.max(0, largest.findIndex((share) => share > MIN_VISIBLE_SHARE) - 1);
  const last = Math.min(bins - 1, largest.findLastIndex((share) => share > MIN_VISIBLE_SHARE) + 1);
  return last - first > 1 ? [first, last] : [0, bins - 1];
}

export function buildDensity({ statistics }) {
  const { target: pairs, pairs: simulated } = statistics.cosines;
  const bins = pairs.length;
  const count = pairs.reduce((total, value) => total + value, 0) || 1;
  const target = Float64Array.from(pairs, (value) => value / count);
  const [first, last] = visibleBins(target, simulated);
  let top = 1.25 * Math.max(...target);
  const xOf = (b) => (WIDTH * (b - first)) / (last - first);

  function curve(shares) {
    let path = `M0 ${BASELINE}`;
    for (let b = first; b <= last; b++) path += `L${xOf(b).toFixed(1)} ${(BASELINE - (BASELINE - 6) * Math.min(1, shares[b] / top)).toFixed(1)}`;
    return `${path}L${WIDTH} ${BASELINE}`;
  }

  const realCurve = svgNode("path", { class: "mop-real-curve" });
  const simulatedCurve = svgNode("path", { class: "mop-simulated-curve" });
  const cosine = (b) => (2 * (b + 0.5)) / bins - 1;
  const step = cosine(last) - cosine(first) > 1 ? 0.5 : 0.2;
  const ticks = [];
  for (let c = Math.ceil(cosine(first) / step) * step; c <= cosine(last); c += step) {
    const x = xOf(((c + 1) * bins) / 2 - 0.5);
    if (x > 8 && x < WIDTH - 8) ticks.push(svgNode("path", { d: `M${x} ${BASELINE}v4`, class: "mop-axis" }), svgNode("text", { x, y: BASELINE + 16, "text-anchor": "middle" }, (Math.round(10 * c) / 10 || 0).toFixed(1)));
  }
  const chart = svgNode("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": "Density of pairwise cosines, real and simulated" },
    realCurve, simulatedCurve, svgNode("path", { d: `M0 ${BASELINE}H${WIDTH}`, class: "mop-axis" }), ...ticks);
  const element = node("section", { class: "mop-card mop-density", "aria-label": "Response similarity" },
    node("h4", {}, "Response similarity", node("small", {}, node("i", { class: "mop-key mop-key-real" }), "real ", node("i", { class: "mop-key" }), "simulated")), chart);

  return {
    element,
    draw({ weights }) {
      const shares = cosineShares(statistics, weights);
      top = Math.max(top, 1.05 * Math.max(...shares));
      realCurve.setAttribute("d", curve(target));
      simulatedCurve.setAttribute("d", curve(shares));
    },
  };
}
