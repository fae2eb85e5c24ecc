// One card a metric: its value, its human floor on a small scale, and its change since the start.

import { formatNumber, node, svgNode, updateText } from "../shared/elements.js";
import { cellShares } from "../metrics/context_groups.js";
import { humanFloor } from "../metrics/human_floor.js";
import { higherIsBetter } from "../metrics/mixture_gradients.js";
import { blend } from "../metrics/statistics.js";

const HISTORY_LENGTH = 60;
const MIN_CHANGE = 5e-7;
const UNITS = { length: ", words", W1: ", steps" };
const BOUNDED = ["MAUVE", "fidelity"];
export const shortNames = { "KL cosine": "KL", "joint FID": "joint" };

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
  const card = { name, better, floor: NaN, history: [], top: BOUNDED.includes(name) ? 1 : 0 };
  card.value = node("output", { class: "mop-value" });
  card.change = node("div", { class: "mop-change", title: "since the start" });
  card.sparkline = svgNode("path", {});
  card.fill = node("i", { class: "mop-fill" });
  card.start = node("i", { class: "mop-start", title: "value at the start" });
  card.floorMark = node("i", { class: "mop-floor" });
  card.floorText = node("div", { class: "mop-floor-text", title: "what people would score against people, with as many responses on each side" });
  card.exact = node("div", { class: "mop-exact", role: "status" });
  const direction = better === "lower" ? "\u2193 better" : "\u2191 better";
  const unit = UNITS[name] ?? "";
  const axes = dimensions ? `, in ${dimensions} dimensions` : "";
  card.element = node("section", { class: "mop-card", "data-metric": name, "aria-label": name },
    node("h4", { title: `${name}: ${DESCRIPTIONS[name] ?? "a metric"}, ${better} is better${unit}${axes}` }, name, node("small", {}, `${direction}${unit}`)),
    node("div", { class: "mop-value-row" }, card.value,
      svgNode("svg", { class: "mop-sparkline", viewBox: "-1 0 62 22", "aria-hidden": "true" }, card.sparkline)),
    card.change,
    node("div", { class: "mop-scale" }, card.fill, card.start, card.floorMark),
    card.floorText, card.exact);
  return card;
}

function drawScale(card, value) {
  const largest = Math.max(value || 0, card.floor || 0, card.first || 0, 1e-6);
  if (largest > card.top) card.top = roundUp(1.15 * largest);
  const place = (element, at) => element.style.setProperty("--at", Math.min(1, Math.max(0, (at || 0) / card.top)));
  place(card.fill, value);
  place(card.start, card.first);
  place(card.floorMark, card.floor);
  card.floorMark.hidden = !Number.isFinite(card.floor);
}

function drawChange(card, value) {
  const change = value - card.first;
  const hasChanged = Math.abs(change) > MIN_CHANGE;
  const isBetter = (change < 0) === (card.better === "lower");
  const text = Number.isFinite(value)
    ? `${change > 0 ? "\u25b2" : "\u25bc"} ${formatNumber(Math.abs(change))} ${isBetter ? "better" : "worse"}`
    : "too few draws have weight";
  updateText(card.change, !hasChanged && Number.isFinite(value) ? "unchanged" : text);
  card.change.className = `mop-change ${!hasChanged ? "" : isBetter ? "mop-better" : "mop-worse"}`;
}

function drawCard(card, value, hasMoved) {
  card.first ??= value;
  if (hasMoved || !card.history.length) card.history.push(value);
  if (card.history.length > HISTORY_LENGTH) card.history.shift();
  updateText(card.value, formatNumber(value));
  card.element.dataset.value = value;
  updateText(card.floorText, Number.isFinite(card.floor) ? `human floor ${formatNumber(card.floor)}` : "no human floor");
  card.sparkline.setAttribute("d", sparklinePath(card.history));
  drawChange(card, value);
  drawScale(card, value);
}

function drawExact(card, exact, isRequested) {
  const found = exact?.metrics?.[card.name];
  updateText(card.exact, found ? `exact: ${formatNumber(found.value)} [${formatNumber(found.low)}, ${formatNumber(found.high)}]` : isRequested ? "exact: \u2026" : "");
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
  const columns = names.length % 3 ? 4 : 3;
  if (answers) answers.element.style.gridColumn = columns === 3 ? "1 / -1" : `span ${names.length % 2 ? 1 : 2}`;
  const element = node("div", { class: "mop-cards" }, ...cards.map((card) => card.element), ...(answers ? [answers.element] : []));
  element.style.setProperty("--mop-columns", columns);
  function draw(scene) {
    cards.forEach((card, i) => {
      card.floor = humanFloor(statistics.floors?.[card.name], scene.size);
      drawCard(card, scene.metrics[i].value, scene.hasMoved);
      drawExact(card, scene.exact, scene.isExactRequested);
    });
    answers?.draw(scene);
  }
  return { element, draw };
}
