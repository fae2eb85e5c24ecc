// The tool that finds the weights at which one metric is best.

import { button, formatNumber, node, updateText } from "../shared/elements.js";
import { match } from "../metrics/weight_matching.js";
import { metricNames } from "../metrics/mixture_gradients.js";
import { same } from "../shared/simplex.js";

const ORDER = ["JS", "TV", "W1", "FID", "MAUVE", "KL cosine", "joint FID", "fidelity", "length"];

export function buildAlign({ statistics }, mixer, afterwards, signal) {
  const names = ORDER.filter((name) => metricNames(statistics).includes(name));
  const choice = node("select", { "aria-label": "Metric to align" }, ...names.map((name) => node("option", { value: name }, name)));
  choice.value = names.includes("MAUVE") ? "MAUVE" : names[0];
  const message = node("span", { class: "mop-message", role: "status" });
  let foundWeights = null;
  const tool = button("Align", "Find the weights of the free personas at which this metric is best", () => {
    const found = match(statistics, choice.value, mixer.read().weights, mixer.held());
    const state = mixer.read();
    mixer.step({ ...state, weights: Array.from(found.weights) });
    foundWeights = mixer.read().weights;
    updateText(message, `${choice.value}: ${formatNumber(found.before)} \u2192 ${formatNumber(found.after)} in ${found.steps} steps`);
    afterwards();
  }, signal);
  tool.className = "mop-main";
  /** The message stays until the weights change. */
  function draw({ weights }) {
    if (!foundWeights || !same(foundWeights, weights)) updateText(message, "");
  }
  return { tool, choice, message, names, draw };
}
