// One card a figure: its value, its human floor on a small scale, its way since the start.

import { drawn, node, say, short } from "../shared/elements.js";
import { higherIsBetter } from "../metrics/mixture_gradients.js";
import { blend } from "../metrics/statistics.js";

const HISTORY = 60;
const UNITS = { length: ", in words", W1: ", in steps" };
export const nicknames = { "KL cosine": "KL" };

const ABOUT = {
  FID: "distance of the two clouds of meaning",
  MAUVE: "overlap of the two texts",
  "KL cosine": "difference in diversity",
  length: "difference in length",
  JS: "Jensen\u2013Shannon, answers",
  TV: "total variation, answers",
  W1: "Wasserstein, answers",
};

function niceTop(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 3, 5, 7.5, 10].find((step) => step * power >= value) * power;
}

function sparkPath(values) {
  const seen = values.filter(Number.isFinite);
  const low = Math.min(...seen);
  const span = Math.max(...seen) - low || 1;
  const at = (value, i) => `${((60 * i) / Math.max(1, seen.length - 1)).toFixed(1)} ${(19 - (16 * (value - low)) / span).toFixed(1)}`;
  return seen.length > 1 ? `M${seen.map(at).join("L")}` : "";
}

function buildCard(name, floor, dimensions) {
  const better = higherIsBetter(name) ? "higher" : "lower";
  const card = { name, better, floor, history: [], top: name === "MAUVE" ? 1 : 0 };
  card.value = node("output", { class: "mop-value" });
  card.change = node("div", { class: "mop-change", title: "since the start" });
  card.spark = drawn("path", {});
  card.fill = node("i", { class: "mop-fill" });
  card.start = node("i", { class: "mop-start", title: "where it started" });
  card.floorMark = node("i", { class: "mop-floor" });
  card.floorText = node("div", { class: "mop-floor-text", title: "the same figure between two halves of the real responses" });
  card.exact = node("div", { class: "mop-exact", role: "status" });
  const way = better === "lower" ? "\u2193 better" : "\u2191 better";
  const where = name === "FID" ? `, in ${dimensions} dimensions` : UNITS[name] ?? "";
  card.element = node("section", { class: "mop-card", "data-figure": name, "aria-label": name },
    node("h4", { title: `${name}: ${ABOUT[name] ?? "a figure"}, ${better} is better${where}` }, name, node("small", {}, `${way}${where}`)),
    node("div", { class: "mop-reading" }, card.value,
      drawn("svg", { class: "mop-spark", viewBox: "-1 0 62 22", "aria-hidden": "true" }, card.spark)),
    card.change,
    node("div", { class: "mop-scale" }, card.fill, card.start, card.floorMark),
    card.floorText, card.exact);
  return card;
}

function drawScale(card, value) {
  const largest = Math.max(value || 0, card.floor || 0, card.first || 0, 1e-6);
  if (largest > card.top) card.top = niceTop(1.15 * largest);
  const place = (element, at) => element.style.setProperty("--at", Math.min(1, Math.max(0, (at || 0) / card.top)));
  place(card.fill, value);
  place(card.start, card.first);
  place(card.floorMark, card.floor);
  card.floorMark.hidden = !Number.isFinite(card.floor);
}

function drawChange(card, value) {
  const change = value - card.first;
  const still = !(Math.abs(change) > 5e-7);
  const good = (change < 0) === (card.better === "lower");
  const told = Number.isFinite(value)
    ? `${change > 0 ? "\u25b2" : "\u25bc"} ${short(Math.abs(change))} ${good ? "better" : "worse"}`
    : "too few draws have weight";
  say(card.change, still && Number.isFinite(value) ? "as at the start" : told);
  card.change.className = `mop-change ${still ? "" : good ? "mop-better" : "mop-worse"}`;
}

function drawCard(card, value, moved) {
  card.first ??= value;
  if (moved || !card.history.length) card.history.push(value);
  if (card.history.length > HISTORY) card.history.shift();
  say(card.value, short(value));
  card.element.dataset.value = value;
  const reached = card.better === "lower" ? value <= card.floor : value >= card.floor;
  say(card.floorText, Number.isFinite(card.floor) ? `human floor ${short(card.floor)}${reached ? " \u2713" : ""}` : "no human floor");
  card.spark.setAttribute("d", sparkPath(card.history));
  drawChange(card, value);
  drawScale(card, value);
}

function drawExact(card, exact, wanted) {
  const found = exact?.figures?.[card.name];
  say(card.exact, found ? `exact: ${short(found.value)} [${short(found.low)}, ${short(found.high)}]` : wanted ? "exact: \u2026" : "");
}

function buildAnswers({ options, target, personas, exact }) {
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
    const shares = blend(weights, personas, options.length);
    rows.forEach(({ option, bar, number, element: line }, a) => {
      const share = shares[a];
      bar.style.setProperty("--at", share / top);
      say(number, `${(100 * share).toFixed(0)}%`);
      line.dataset.share = share;
      line.setAttribute("aria-label", `${option}: simulated ${(100 * share).toFixed(1)}%, real ${(100 * target[a]).toFixed(1)}%`);
    });
  }
  return { element, draw };
}

export function buildCards({ statistics }, figures) {
  const cards = figures.map((name) => buildCard(name, statistics.floors?.[name] ?? NaN, statistics.space.target_variances.length));
  const answers = statistics.answers && buildAnswers(statistics.answers);
  if (answers) answers.element.style.gridColumn = `span ${figures.length % 2 ? 1 : 2}`;
  const element = node("div", { class: "mop-cards" }, ...cards.map((card) => card.element), ...(answers ? [answers.element] : []));
  function draw(scene) {
    cards.forEach((card, f) => {
      drawCard(card, scene.figures[f].value, scene.moved);
      drawExact(card, scene.exact, scene.exactWanted);
    });
    answers?.draw(scene);
  }
  return { element, draw };
}
