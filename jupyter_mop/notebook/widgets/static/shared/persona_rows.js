// One row a persona: its slider and switches, and, where a simulation is compared, its draws and
// how each metric changes when it is raised.

import { button, node, setEnabled, svgNode, updateAttribute, updateText } from "./elements.js";
import { isMovable, isMutable, isSolo, percent, reach } from "./simplex.js";
import { drawRange, onGestureEnd, onStepKey, padlock } from "./slider.js";

const SHORT_NAMES = { "KL cosine": "KL", "joint FID": "joint" };

const ARROW_LENGTH = 20;
const MIN_ARROW_LENGTH = 0.75;
const HIDDEN_ROWS_AFTER = 120;

function buildArrow() {
  const path = svgNode("path", {});
  const element = svgNode("svg", { viewBox: `${-ARROW_LENGTH - 2} -7 ${2 * ARROW_LENGTH + 4} 14`, role: "img" },
    svgNode("path", { d: "M0 -6V6", class: "mop-axis" }), path);
  return { element, path };
}

/** An arrow from the middle: right is better, left is worse, a dot is no change. */
function arrowPath(length) {
  const tip = ARROW_LENGTH * length;
  if (Math.abs(tip) < MIN_ARROW_LENGTH) return "M-1.5 0a1.5 1.5 0 1 0 3 0a1.5 1.5 0 1 0 -3 0";
  const head = Math.sign(tip) * Math.min(5, Math.abs(tip));
  const neck = (tip - head).toFixed(1);
  return `M0 -1H${neck}V-4L${tip.toFixed(1)} 0L${neck} 4V1H0Z`;
}

function buildRow(name, colour, nDraws, metrics, actions, signal) {
  const row = {
    swatch: node("i", { class: "mop-swatch" }),
    slider: node("input", { type: "range", min: 0, max: 1, step: "any", "aria-label": `Weight of ${name}` }),
    number: node("input", { type: "number", min: 0, max: 100, step: 0.1, "aria-label": `Weight of ${name} in percent` }),
    lock: button(padlock(), "", actions.lock, signal),
    solo: button("S", "", actions.solo, signal),
    mute: button("M", "", actions.mute, signal),
    learned: node("i", { class: "mop-learned" }),
    arrows: metrics.map(buildArrow),
  };
  for (const action of ["lock", "solo", "mute"]) {
    row[action].className = "mop-switch";
    row[action].setAttribute("aria-label", `${action[0].toUpperCase()}${action.slice(1)} ${name}`);
  }
  const draws = nDraws ? [node("span", { class: "mop-draws" }, `${nDraws.toLocaleString("en")} draw${nDraws === 1 ? "" : "s"}`)] : [];
  const footer = nDraws === undefined ? [] : nDraws
    ? row.arrows.map((arrow) => arrow.element)
    : [node("span", { class: "mop-warning", dir: "auto" }, `no draws: simulate with more weight on ${name}`)];
  row.element = node("div", { class: "mop-persona", role: "group", "aria-label": name },
    node("div", { class: "mop-head" }, row.swatch,
      node("span", { class: "mop-name", dir: "auto", title: name }, name),
      node("span", { class: "mop-controls" }, ...draws,
        node("label", { class: "mop-share" }, row.number, "%"), row.lock, row.solo, row.mute)),
    node("div", { class: "mop-track" }, row.slider, row.learned),
    ...(footer.length ? [node("div", { class: "mop-foot" }, ...footer)] : []));
  row.element.style.setProperty("--mop-colour", colour);
  return row;
}

function bindRow(row, actions, redraw, signal) {
  row.slider.addEventListener("input", () => actions.slide(row.slider.valueAsNumber), { signal });
  row.slider.addEventListener("change", actions.settle, { signal });
  onStepKey(row.slider, actions.step, signal);
  onGestureEnd(row.slider, actions.endGesture, signal);
  row.number.addEventListener("input", () => { row.isTyping = true; }, { signal });
  row.number.addEventListener("change", () => {
    row.isTyping = false;
    actions.type(row.number.valueAsNumber / 100);
    redraw();
  }, { signal });
}

function drawSwitch(element, isPressed, isEnabled, title) {
  setEnabled(element, isEnabled);
  updateAttribute(element, "aria-pressed", isPressed);
  if (element.title !== title) element.title = title;
}

function drawSlider(row, i, { weights, learned }, held, isFixed) {
  const limit = reach(weights, held, i);
  if (row.slider.disabled !== isFixed) row.slider.disabled = row.number.disabled = isFixed;
  if (row.limit !== limit) row.slider.max = row.limit = limit;
  row.slider.value = weights[i];
  updateAttribute(row.slider, "aria-valuetext", percent(weights[i]));
  drawRange(row.slider, weights[i], limit);
  const text = (100 * weights[i]).toFixed(1);
  if (!row.isTyping && row.number.value !== text) row.number.value = text;
  row.learned.hidden = !learned.length;
  if (learned.length && row.drawnLearned !== learned[i]) {
    row.drawnLearned = learned[i];
    row.learned.style.setProperty("--at", learned[i]);
    row.learned.title = `learned: ${percent(learned[i])}`;
  }
}

function drawArrows(row, persona, i, metrics) {
  metrics.forEach(({ name, slopes, better, steepest }, m) => {
    const slope = steepest > 0 ? slopes[i] / steepest : 0;
    const gain = slope * (better === "lower" ? -1 : 1);
    const isNone = Math.abs(gain) * ARROW_LENGTH < MIN_ARROW_LENGTH;
    const { element, path } = row.arrows[m];
    updateAttribute(path, "d", arrowPath(gain));
    updateAttribute(path, "class", isNone ? "mop-none" : gain > 0 ? "mop-better" : "mop-worse");
    const label = isNone ? `Raising ${persona} hardly changes ${name}`
      : `Raising ${persona} ${slope > 0 ? "raises" : "lowers"} ${name}: ${gain > 0 ? "better" : "worse"}`;
    if (element.getAttribute("aria-label") === label) return;
    element.setAttribute("aria-label", label);
    element.replaceChildren(element.firstChild, path, svgNode("title", {}, label));
  });
}

function buildHeads(metrics) {
  const heads = metrics.map((name) => node("span", { title: name }, SHORT_NAMES[name] ?? name));
  return node("div", { class: "mop-heads", "aria-hidden": "true" },
    node("div", {}, "If a weight is raised:"), node("div", { class: "mop-foot" }, ...heads));
}

/** What each button, key and field of a row does to the weights. */
export function weightActions(mixer, settle) {
  const thenSettle = (action) => (...values) => { action(...values); settle(); };
  return {
    slide: mixer.slide, endGesture: mixer.endGesture, settle, lock: mixer.toggleLock,
    step: thenSettle((i, change) => mixer.slide(i, mixer.read().weights[i] + change)),
    type: thenSettle((i, share) => { mixer.endGesture(); mixer.slide(i, share); }),
    solo: thenSettle(mixer.toggleSolo), mute: thenSettle(mixer.toggleMute),
  };
}

/** The list of personas; without `counts` in `data` no simulation is compared. */
export function buildPersonas(data, metrics, actions, signal) {
  const rows = data.names.map((name, i) => {
    const own = Object.fromEntries(Object.entries(actions).map(([action, call]) => [action, (value) => call(i, value)]));
    const row = buildRow(name, data.colours[i], data.counts?.[i], metrics, own, signal);
    bindRow(row, own, () => drawRow(row, i), signal);
    return row;
  });
  const size = node("div", { class: "mop-size" });
  const sizeNote = node("div", { class: "mop-size-note", role: "status" });
  const learned = node("span", {}, "\u25b4 learned");
  const directions = [node("span", { class: "mop-worse" }, "\u25c4 worse"), node("span", { class: "mop-better" }, "better \u25ba")];
  const element = node("section", { class: "mop-persona-list", "aria-label": "Personas" },
    node("h3", {}, "Personas"), ...(data.counts ? [size, sizeNote, buildHeads(metrics)] : []),
    node("div", { class: "mop-rows" }, ...rows.map((row) => row.element)),
    node("div", { class: "mop-legend", "aria-hidden": "true" }, learned, ...(data.counts ? directions : [])));
  const isSingle = data.names.length === 1;
  let latest = null;
  let timer = 0;

  function drawRow(row, i) {
    const { held, locked, mixer, metrics: values } = latest;
    const isUndrawn = data.undrawn[i];
    const isMuted = mixer.muted[i];
    row.element.classList.toggle("mop-muted", isMuted || isUndrawn);
    drawSwitch(row.lock, locked[i], !isUndrawn, locked[i] ? "Unlock this weight" : "Lock this weight while others move");
    drawSwitch(row.solo, isSolo(mixer, i), !isUndrawn && !isSingle, "Give this persona all the weight; again to undo");
    drawSwitch(row.mute, isMuted, isMuted || (!isUndrawn && isMutable(mixer, i)), isMuted ? "Restore this persona's weight" : "Set this persona's weight to 0");
    drawSlider(row, i, latest, held, !isMovable(held, i));
    if (!isUndrawn) drawArrows(row, data.names[i], i, values);
  }

  // Rows outside the visible area are drawn when the weights settle, or when they become visible.
  const observer = new IntersectionObserver((entries) => entries.forEach(({ target, isIntersecting }) => {
    const i = rows.findIndex((row) => row.element === target);
    rows[i].isHidden = !isIntersecting;
    if (isIntersecting && latest) drawRow(rows[i], i);
  }));
  for (const row of rows) observer.observe(row.element);
  const drawHidden = () => rows.forEach((row, i) => row.isHidden && drawRow(row, i));
  signal.addEventListener("abort", () => {
    clearTimeout(timer);
    observer.disconnect();
  });

  function draw(scene) {
    if (data.counts) {
      updateText(size, `Effective sample size ${Math.round(scene.size).toLocaleString("en")} of ${data.total.toLocaleString("en")} draws`);
      updateText(sizeNote, scene.sizeNote);
    }
    learned.hidden = !scene.learned.length;
    latest = scene;
    rows.forEach((row, i) => row.isHidden || drawRow(row, i));
    clearTimeout(timer);
    timer = setTimeout(drawHidden, HIDDEN_ROWS_AFTER);
  }

  return { element, draw };
}
