// The tool that finds the weights at which one metric is best.

import { button, formatNumber, node, updateText } from "../shared/elements.js";
import { match } from "../metrics/weight_matching.js";
import { higherIsBetter, metricNames } from "../metrics/mixture_gradients.js";
import { same } from "../shared/simplex.js";

const ORDER = ["TV", "JS", "W1", "FID", "MAUVE", "KL cosine", "joint FID", "fidelity", "length"];
const OF_ANSWERS = ["TV", "JS", "W1"];
const ELSEWHERE = "a gain on other responses is smaller";

/** The metrics of a panel: those of the answers to a closed question, else all. */
export function panelMetrics(statistics) {
  const known = metricNames(statistics);
  return ORDER.filter((name) => known.includes(name) && (!statistics.answers || OF_ANSWERS.includes(name)));
}

const direction = (gain) => `${gain < 0 ? "worse" : "better"} by ${formatNumber(Math.abs(gain))}`;

/** What Python found on responses that did not choose the weights. */
export function otherResponses({ gain, is_clear: isClear, error }) {
  if (error) return error;
  return isClear ? `on others ${direction(gain)}` : `on others no clear gain (${direction(gain)} on average)`;
}

export function buildAlign({ statistics }, model, mixer, afterwards, signal) {
  const names = panelMetrics(statistics);
  const choice = node("select", { "aria-label": "Metric to align" }, ...names.map((name) => node("option", { value: name }, name)));
  choice.value = names.includes("MAUVE") ? "MAUVE" : names[0];
  const message = node("span", { class: "mop-message", role: "status" });
  let [foundWeights, found] = [null, ""];
  const tool = button("Align", "Find the weights of the free personas at which this metric is best", () => {
    const metric = choice.value;
    const start = mixer.read().weights;
    const held = mixer.held();
    const { before, after, weights } = match(statistics, metric, start, held);
    mixer.step({ ...mixer.read(), weights: Array.from(weights) });
    foundWeights = mixer.read().weights;
    const gain = higherIsBetter(metric) ? after - before : before - after;
    found = `${metric} ${direction(gain)} on the responses that chose these weights`;
    const isLive = model.get("live");
    updateText(message, `${found}; ${isLive ? "on others \u2026" : ELSEWHERE}`);
    if (isLive) model.send({ type: "align", metric, start, held });
    afterwards();
  }, signal);
  tool.className = "mop-main";
  function onMessage(content) {
    if (content.type === "gain" && message.textContent) updateText(message, `${found}; ${otherResponses(content)}`);
  }
  model.on("msg:custom", onMessage);
  signal.addEventListener("abort", () => model.off("msg:custom", onMessage));
  /** The message stays until the weights change. */
  function draw({ weights }) {
    if (!foundWeights || !same(foundWeights, weights)) updateText(message, "");
  }
  return { tool, choice, message, names, draw };
}
