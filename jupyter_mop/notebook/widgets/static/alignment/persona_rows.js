// One row a persona: its slider and switches, and which way each figure goes when it is raised.

import { button, drawn, enable, mark, node, say } from "../shared/elements.js";
import { movable, mutable, percent, reach, soloed } from "../shared/simplex.js";
import { nicknames } from "./figure_cards.js";

const KEYS = {
  ArrowRight: 0.01, ArrowUp: 0.01, PageUp: 0.1, End: 1,
  ArrowLeft: -0.01, ArrowDown: -0.01, PageDown: -0.1, Home: -1,
};
const HALF = 20;
const OUT_OF_SIGHT_AFTER = 120;

function padlock() {
  return drawn("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" },
    drawn("path", { d: "M5 8V5a3 3 0 0 1 6 0v3", class: "mop-shackle" }),
    drawn("rect", { x: 3, y: 7.5, width: 10, height: 7, rx: 1.5 }));
}

function buildArrow() {
  const path = drawn("path", {});
  const element = drawn("svg", { viewBox: `${-HALF - 2} -7 ${2 * HALF + 4} 14`, role: "img" },
    drawn("path", { d: "M0 -6V6", class: "mop-axis" }), path);
  return { element, path };
}

/** An arrow from the middle: to the right and blue is better, to the left and orange is worse. */
function arrowPath(length) {
  const tip = HALF * length;
  if (Math.abs(tip) < 0.75) return "M-1.5 0a1.5 1.5 0 1 0 3 0a1.5 1.5 0 1 0 -3 0";
  const head = Math.sign(tip) * Math.min(5, Math.abs(tip));
  const neck = (tip - head).toFixed(1);
  return `M0 -1H${neck}V-4L${tip.toFixed(1)} 0L${neck} 4V1H0Z`;
}

function buildPersona(name, colour, draws, figures, act, signal) {
  const row = {
    swatch: node("i", { class: "mop-swatch" }),
    slider: node("input", { type: "range", min: 0, max: 1, step: "any", "aria-label": `Weight of ${name}` }),
    number: node("input", { type: "number", min: 0, max: 100, step: 0.1, "aria-label": `Weight of ${name} in percent` }),
    lock: button(padlock(), "", act.lock, signal),
    solo: button("S", "", act.solo, signal),
    mute: button("M", "", act.mute, signal),
    learned: node("i", { class: "mop-learned" }),
    arrows: figures.map(buildArrow),
  };
  for (const verb of ["lock", "solo", "mute"]) {
    row[verb].className = "mop-switch";
    row[verb].setAttribute("aria-label", `${verb[0].toUpperCase()}${verb.slice(1)} ${name}`);
  }
  const about = draws
    ? [node("span", { class: "mop-draws" }, `${draws.toLocaleString("en")} draw${draws === 1 ? "" : "s"}`),
      node("div", { class: "mop-arrows" }, ...row.arrows.map((arrow) => arrow.element))]
    : [node("span", { class: "mop-warning", dir: "auto" }, `no draws: simulate with more weight on ${name}`)];
  row.element = node("div", { class: "mop-persona", role: "group", "aria-label": name },
    node("div", { class: "mop-head" }, row.swatch,
      node("span", { class: "mop-name", dir: "auto", title: name }, name),
      node("label", { class: "mop-share" }, row.number, "%"), row.lock, row.solo, row.mute),
    node("div", { class: "mop-track" }, row.slider, row.learned),
    node("div", { class: "mop-foot" }, ...about));
  row.element.style.setProperty("--mop-colour", colour);
  return row;
}

function bindPersona(row, act, signal) {
  row.slider.addEventListener("input", () => act.slide(row.slider.valueAsNumber), { signal });
  row.slider.addEventListener("change", act.release, { signal });
  row.slider.addEventListener("keydown", (event) => {
    if (!(event.key in KEYS) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act.step(KEYS[event.key]);
  }, { signal });
  for (const end of ["pointerdown", "blur"]) row.slider.addEventListener(end, act.begin, { signal });
  row.number.addEventListener("input", () => { row.typing = true; }, { signal });
  row.number.addEventListener("change", () => {
    row.typing = false;
    act.type(row.number.valueAsNumber / 100);
  }, { signal });
}

function press(toggle, on, possible, title) {
  enable(toggle, possible);
  mark(toggle, "aria-pressed", on);
  if (toggle.title !== title) toggle.title = title;
}

function drawSlider(row, i, { weights, learned }, held, fixed) {
  const most = reach(weights, held, i);
  if (row.slider.disabled !== fixed) row.slider.disabled = row.number.disabled = fixed;
  if (row.most !== most) row.slider.max = row.most = most;
  row.slider.value = weights[i];
  mark(row.slider, "aria-valuetext", percent(weights[i]));
  row.slider.style.setProperty("--reach", most);
  row.slider.style.setProperty("--filled", most > 0 ? Math.min(1, weights[i] / most) : 0);
  const text = (100 * weights[i]).toFixed(1);
  if (!row.typing && row.number.value !== text) row.number.value = text;
  row.learned.hidden = !learned.length;
  if (learned.length && row.at !== learned[i]) {
    row.at = learned[i];
    row.learned.style.setProperty("--at", learned[i]);
    row.learned.title = `learned: ${percent(learned[i])}`;
  }
}

function drawArrows(row, name, i, figures) {
  figures.forEach(({ name: figure, pulls, better, steepest }, f) => {
    const pull = steepest > 0 ? pulls[i] / steepest : 0;
    const good = pull * (better === "lower" ? -1 : 1);
    const { element, path } = row.arrows[f];
    mark(path, "d", arrowPath(good));
    mark(path, "class", Math.abs(good) * HALF < 0.75 ? "mop-none" : good > 0 ? "mop-better" : "mop-worse");
    const told = Math.abs(good) * HALF < 0.75 ? `Raising ${name} hardly moves ${figure}`
      : `Raising ${name} ${pull > 0 ? "raises" : "lowers"} ${figure}: ${good > 0 ? "better" : "worse"}`;
    if (element.getAttribute("aria-label") === told) return;
    element.setAttribute("aria-label", told);
    element.replaceChildren(element.firstChild, path, drawn("title", {}, told));
  });
}

export function buildPersonas(data, figures, actions, signal) {
  const rows = data.names.map((name, i) => {
    const act = Object.fromEntries(Object.entries(actions).map(([verb, does]) => [verb, (value) => does(i, value)]));
    const row = buildPersona(name, data.colours[i], data.counts[i], figures, act, signal);
    bindPersona(row, act, signal);
    return row;
  });
  const size = node("div", { class: "mop-size" });
  const verdict = node("div", { class: "mop-verdict", role: "status" });
  const heads = figures.map((figure) => node("span", { title: figure }, nicknames[figure] ?? figure));
  const element = node("section", { class: "mop-personas", "aria-label": "Personas" },
    node("h3", {}, "Personas"), size, verdict,
    node("div", { class: `mop-foot mop-heads${figures.length > 5 ? " mop-many" : ""}`, "aria-hidden": "true" },
      node("span", { class: "mop-draws" }, "if raised"), node("div", { class: "mop-arrows" }, ...heads)),
    node("div", { class: "mop-rows" }, ...rows.map((row) => row.element)),
    node("div", { class: "mop-legend", "aria-hidden": "true" },
      node("span", { class: "mop-worse" }, "\u25c4 farther from the real people"), node("span", { class: "mop-better" }, "closer \u25ba")));
  const alone = data.names.length === 1;
  let latest = null;
  let timer = 0;

  function drawRow(row, i) {
    const { held, locked, mixer, figures: moved } = latest;
    const empty = data.undrawn[i];
    const muted = mixer.muted[i];
    row.element.classList.toggle("mop-muted", muted || empty);
    press(row.lock, locked[i], !empty, locked[i] ? "Let this weight move again" : "Keep this weight while others move");
    press(row.solo, soloed(mixer, i), !empty && !alone, "Give this persona all the weight; again: back");
    press(row.mute, muted, muted || (!empty && mutable(mixer, i)), muted ? "Give this persona its weight back" : "Take this persona out");
    drawSlider(row, i, latest, held, !movable(held, i));
    if (!empty) drawArrows(row, data.names[i], i, moved);
  }

  // Rows out of sight are drawn when the weights rest, or when they come into sight.
  const watcher = new IntersectionObserver((seen) => seen.forEach(({ target, isIntersecting }) => {
    const i = rows.findIndex((row) => row.element === target);
    rows[i].hidden = !isIntersecting;
    if (isIntersecting && latest) drawRow(rows[i], i);
  }));
  for (const row of rows) watcher.observe(row.element);
  const drawHidden = () => rows.forEach((row, i) => row.hidden && drawRow(row, i));
  signal.addEventListener("abort", () => {
    clearTimeout(timer);
    watcher.disconnect();
  });

  function draw(scene) {
    say(size, `Effective sample size ${Math.round(scene.size).toLocaleString("en")} of ${data.total.toLocaleString("en")} draws`);
    say(verdict, scene.verdict);
    latest = scene;
    rows.forEach((row, i) => row.hidden || drawRow(row, i));
    clearTimeout(timer);
    timer = setTimeout(drawHidden, OUT_OF_SIGHT_AFTER);
  }

  return { element, draw };
}
