// The weights panel. The traits (names, weights, learned, locked) are the truth: each view is
// drawn from model.get. Undo, redo and the current gesture exist in the browser only; the views
// of one model share them.

import { node, panel, setEnabled, button } from "../shared/elements.js";
import { buildMixer } from "../shared/mixer.js";
import { isMovable, percent, reach } from "../shared/simplex.js";
import { KEY_STEPS, drawRange, onGestureEnd, onStepKey, padlock } from "../shared/slider.js";

const SCALE_ENDS = [0.05, 0.1, 0.25, 0.5, 1];

function buildRow(name) {
  const row = {
    lock: node("button", { type: "button", class: "mop-lock", "aria-label": `Lock ${name}` }, padlock()),
    slider: node("input", { type: "range", min: 0, max: 1, step: "any", "aria-label": `Weight of ${name}` }),
    number: node("span", { class: "mop-number" }),
    current: node("div", { class: "mop-current" }),
    learned: node("div", { class: "mop-learned" }),
  };
  row.bars = node("div", { class: "mop-bars", role: "img" }, row.current, row.learned);
  row.element = node("div", { class: "mop-row", role: "group", "aria-label": name },
    node("span", { class: "mop-name" }, name), row.lock,
    node("div", { class: "mop-track" }, row.slider), row.number, row.bars);
  return row;
}

function bindRow(row, index, mixer, signal) {
  row.lock.addEventListener("click", () => mixer.toggleLock(index), { signal });
  row.slider.addEventListener("input", () => mixer.slide(index, row.slider.valueAsNumber), { signal });
  onStepKey(row.slider, (change) => mixer.slide(index, mixer.read().weights[index] + change), signal);
  onGestureEnd(row.slider, mixer.endGesture, signal);
}

function drawRow(row, index, { weights, locked, learned }, scaleEnd) {
  const limit = reach(weights, locked, index);
  const text = percent(weights[index]);
  row.lock.setAttribute("aria-pressed", locked[index]);
  row.lock.title = locked[index] ? "Unlock this weight" : "Lock this weight while others move";
  row.slider.disabled = !isMovable(locked, index);
  row.slider.max = limit;
  row.slider.value = weights[index];
  row.slider.setAttribute("aria-valuetext", text);
  drawRange(row.slider, weights[index], limit);
  row.number.textContent = text;
  row.current.style.width = `${(100 * weights[index]) / scaleEnd}%`;
  row.learned.style.width = `${(100 * (learned[index] ?? 0)) / scaleEnd}%`;
  const label = learned.length ? `now ${text}, learned ${percent(learned[index])}` : `now ${text}`;
  row.bars.setAttribute("aria-label", label);
  row.bars.title = label;
}

function buildLegend(scale) {
  return node("span", { class: "mop-legend", "aria-hidden": "true" },
    node("i", { class: "mop-current" }), "now ", node("i", { class: "mop-learned" }),
    node("span", { class: "mop-learned-label" }, "learned "), scale);
}

// Saved at once: otherwise the kernel's echo of the previous move would undo an unsaved one.
function writeTo(model, { weights, locked }) {
  model.set("weights", weights);
  model.set("locked", locked);
  model.save_changes();
}

const mixerOf = (model) => buildMixer({
  read: () => ({ weights: model.get("weights"), locked: model.get("locked") }),
  write: (state) => writeTo(model, state),
  held: ({ locked }) => locked,
  traits: ["weights", "locked"],
});

function buildTools(model, mixer, signal) {
  return {
    learned: button("Learned", "Give the unlocked weights their learned proportions",
      () => mixer.spread(model.get("learned")), signal),
    uniform: button("Uniform", "Make the unlocked weights equal",
      () => mixer.spread(model.get("names").map(() => 1)), signal),
    undo: button("Undo", "Undo the last change", mixer.undo, signal),
    redo: button("Redo", "Redo the last undone change", mixer.redo, signal),
  };
}

export default () => {
  let mixer;

  function render({ model, el, signal }) {
    mixer ??= mixerOf(model);
    const rows = model.get("names").map(buildRow);
    const tools = buildTools(model, mixer, signal);
    const scale = node("span", {});
    const root = panel("mop-weights", "Persona weights",
      node("div", { class: "mop-tools" }, ...Object.values(tools), buildLegend(scale)),
      node("div", { class: "mop-rows" }, ...rows.map((row) => row.element)));
    rows.forEach((row, i) => bindRow(row, i, mixer, signal));
    // The notebook's shortcuts must not take the keys that the panel uses.
    root.addEventListener("keydown", (event) => {
      if (event.key in KEY_STEPS || event.key === "Enter" || event.key === " ") event.stopPropagation();
    }, { signal });

    function draw() {
      const state = { ...mixer.read(), learned: model.get("learned") };
      const largest = Math.max(...state.weights, ...state.learned);
      const scaleEnd = SCALE_ENDS.find((end) => largest <= end) ?? 1;
      const canSpread = state.locked.filter((lock) => !lock).length > 1;
      setEnabled(tools.learned, canSpread && state.learned.length > 0);
      setEnabled(tools.uniform, canSpread);
      setEnabled(tools.undo, mixer.canUndo());
      setEnabled(tools.redo, mixer.canRedo());
      root.classList.toggle("mop-no-learned", state.learned.length === 0);
      scale.textContent = `bars: 0\u2013${100 * scaleEnd}%`;
      rows.forEach((row, i) => drawRow(row, i, state, scaleEnd));
    }

    for (const trait of ["weights", "learned", "locked"]) model.on(`change:${trait}`, draw);
    draw();
    el.append(root);
  }

  return { render };
};
