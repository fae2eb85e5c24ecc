// One card a metric: its value and of which kind it is, its human floor on a small scale, and its
// change since the start.

import { formatNumber, node, svgNode, updateText } from "../shared/elements.js";
import { cellShares } from "../metrics/context_groups.js";
import { higherIsBetter } from "../metrics/mixture_gradients.js";
import { blend } from "../metrics/statistics.js";
import { BOUNDED, changeOf } from "./shown.js";

const HISTORY_LENGTH = 60;
const UNITS = { length: ", words", W1: ", steps" };
const KINDS = {
  exact: "computed in full by Python, with its 95 % interval",
  "fast estimate": "computed by the browser on fewer dimensions",
};

const DESCRIPTIONS = {
  FID: "distance between the two embedding distributions",
  MAUVE: "overlap of the two distributions",
  "KL cosine": "difference in diversity",
  "joint FID": "distance between responses together with their contexts",
  fidelity: "share of responses recognised as answers to their own context, mean over contexts",
  length: "difference in length",
  JS: "Jensen\u2013Shannon divergence of the answers",
  TV: "total variation of the answers",
  W1: "Wasserstein distance of the answers",
};

/** A round number that is at least `value`, for the end of a scale. */
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 3, 5, 7.5, 10].find((step) => step * power >= value) * power;
}

function sparklinePath(values) {
  const finite = values.filter(Number.isFinite);
  const low = Math.min(...finite);
  const span = Math.max(...finite) - low || 1;
  const point = (value, i) => `${((60 * i) / Math.max(1, finite.length - 1)).toFixed(1)} ${(19 - (16 * (value - low)) / span).toFixed(1)}`;
  return finite.length > 1 ? `M${finite.map(point).join("L")}` : "";
}

function buildCard(name, dimensions) {
  const better = higherIsBetter(name) ? "higher" : "lower";
  const card = { name, better, history: [], top: BOUNDED.includes(name) ? 1 : 0 };
  card.value = node("output", { class: "mop-value" });
  card.change = node("div", { class: "mop-change", title: "since the start" });
  card.sparkline = svgNode("path", {});
  card.fill = node("i", { class: "mop-fill" });
  card.start = node("i", { class: "mop-start", title: "value at the start" });
  card.floorMark = node("i", { class: "mop-floor" });
  card.floorText = node("div", { class: "mop-floor-text", title: "what people would score against people, with as many responses on each side" });
  card.kind = node("div", { class: "mop-kind", role: "status" });
  const direction = better === "lower" ? "\u2193 better" : "\u2191 better";
  const unit = UNITS[name] ?? "";
  const axes = dimensions ? `, in ${dimensions} dimensions` : "";
  card.element = node("section", { class: "mop-card", "data-metric": name, "aria-label": name },
    node("h4", { title: `${name}: ${DESCRIPTIONS[name] ?? "a metric"}, ${better} is better${unit}${axes}` }, name, node("small", {}, `${direction}${unit}`)),
    node("div", { class: "mop-figures" },
      node("div", { class: "mop-value-row" }, card.value,
        svgNode("svg", { class: "mop-sparkline", viewBox: "-1 0 62 22", "aria-hidden": "true" }, card.sparkline)),
      card.kind, card.change,
      node("div", { class: "mop-scale" }, card.fill, card.start, card.floorMark), card.floorText));
  return card;
}

function drawScale(card, { value, start, floor }) {
  const largest = Math.max(value || 0, floor || 0, start || 0, 1e-6);
  if (largest > card.top) card.top = roundUp(1.15 * largest);
  const place = (element, at) => element.style.setProperty("--at", Math.min(1, Math.max(0, (at || 0) / card.top)));
  place(card.fill, value);
  place(card.start, start);
  place(card.floorMark, floor);
  card.floorMark.hidden = !Number.isFinite(floor);
}

const WORDS = { none: () => "unchanged", unclear: () => "no clear change" };

function drawChange(card, shown) {
  const change = shown.value - shown.start;
  const verdict = changeOf(shown, card.better);
  const says = WORDS[verdict] ?? (() => `${change > 0 ? "\u25b2" : "\u25bc"} ${formatNumber(Math.abs(change))} ${verdict}`);
  updateText(card.change, Number.isFinite(shown.value) ? says() : "too few draws have weight");
  card.change.className = `mop-change ${WORDS[verdict] ? "" : `mop-${verdict}`}`;
}

function drawKind(card, { kind, low, high }, isRequested) {
  const range = kind === "exact" ? ` [${formatNumber(low)}, ${formatNumber(high)}]` : "";
  const next = kind === "fast estimate" && isRequested ? ", exact \u2026" : "";
  updateText(card.kind, `${kind}${range}${next}`);
  if (card.kind.title !== (KINDS[kind] ?? "")) card.kind.title = KINDS[kind] ?? "";
}

function drawCard(card, shown, { value }, scene) {
  if (scene.hasMoved || !card.history.length) card.history.push(value);
  if (card.history.length > HISTORY_LENGTH) card.history.shift();
  updateText(card.value, formatNumber(shown.value));
  card.element.dataset.value = value;
  updateText(card.floorText, Number.isFinite(shown.floor) ? `human floor ${formatNumber(shown.floor)}` : "no human floor");
  card.sparkline.setAttribute("d", sparklinePath(card.history));
  drawKind(card, shown, scene.isExactRequested);
  drawChange(card, shown);
  drawScale(card, shown);
}

function buildAnswers(statistics) {
  const { options, target, personas, exact } = statistics.answers;
  const rows = options.map((option) => {
    const bar = node("i", { class: "mop-simulated" });
    const number = node("span", { class: "mop-number" });
    const element = node("div", { class: "mop-answer", role: "img" },
      node("span", { class: "mop-name", dir: "auto", title: option }, option),
      node("div", { class: "mop-bars" }, node("i", { class: "mop-real" }), bar), number);
    return { option, bar, number, element };
  });
  const top = Math.max(...target, ...personas, 1e-9);
  rows.forEach((row, a) => row.element.querySelector(".mop-real").style.setProperty("--at", target[a] / top));
  const element = node("section", { class: "mop-card mop-answers", "aria-label": "Answers" },
    node("h4", {}, "Answers", node("small", {}, ` bar: ${exact ? "exact shares" : "simulated"}, outline: real`)), ...rows.map((row) => row.element));
  function draw({ weights }) {
    const shares = blend(cellShares(statistics, weights), personas, options.length);
    rows.forEach(({ option, bar, number, element: row }, a) => {
      const share = shares[a];
      bar.style.setProperty("--at", share / top);
      updateText(number, `${(100 * share).toFixed(0)}%`);
      row.dataset.share = share;
      row.setAttribute("aria-label", `${option}: simulated ${(100 * share).toFixed(1)}%, real ${(100 * target[a]).toFixed(1)}%`);
    });
  }
  return { element, draw };
}

export function buildMetricCards({ statistics }, names) {
  const spaces = { FID: statistics.space, "joint FID": statistics.contexts?.space };
  const cards = names.map((name) => buildCard(name, spaces[name]?.target_variances.length));
  const answers = statistics.answers && buildAnswers(statistics);
  const element = node("div", { class: "mop-cards" }, ...(answers ? [answers.element] : []), ...cards.map((card) => card.element));
  element.style.setProperty("--mop-columns", names.length % 3 ? Math.min(4, names.length) : 3);
  function draw(scene) {
    cards.forEach((card, i) => drawCard(card, scene.shown[i], scene.metrics[i], scene));
    answers?.draw(scene);
  }
  return { element, draw };
}
