// The traits (names, weights, learned, locked) are the truth: each view is drawn from model.get.
// Undo, redo and the gesture under way are the screen's own; the views of one model share them.

import { move, movable, percent, reach, rescale, same } from "../shared/simplex.js";

const KEYS = {
  ArrowRight: 0.01, ArrowUp: 0.01, PageUp: 0.1, End: 1,
  ArrowLeft: -0.01, ArrowDown: -0.01, PageDown: -0.1, Home: -1,
};
const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}
const node = (tag, attributes, ...children) =>
  fill(document.createElement(tag), attributes, children);
const shape = (tag, attributes, ...children) =>
  fill(document.createElementNS(SVG, tag), attributes, children);

function padlock() {
  return shape("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" },
    shape("path", { d: "M5 8V5a3 3 0 0 1 6 0v3", class: "mop-shackle" }),
    shape("rect", { x: 3, y: 7.5, width: 10, height: 7, rx: 1.5 }));
}

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

function drawRow(row, i, { weights, locked, learned }, top) {
  const most = reach(weights, locked, i);
  const text = percent(weights[i]);
  row.lock.setAttribute("aria-pressed", locked[i]);
  row.lock.title = locked[i] ? "Let this weight move again" : "Keep this weight while others move";
  row.slider.disabled = !movable(locked, i);
  row.slider.max = most;
  row.slider.value = weights[i];
  row.slider.setAttribute("aria-valuetext", text);
  row.slider.style.setProperty("--reach", most);
  row.slider.style.setProperty("--filled", most > 0 ? Math.min(1, weights[i] / most) : 0);
  row.number.textContent = text;
  row.current.style.width = `${(100 * weights[i]) / top}%`;
  row.learned.style.width = `${(100 * (learned[i] ?? 0)) / top}%`;
  const told = learned.length ? `now ${text}, learned ${percent(learned[i])}` : `now ${text}`;
  row.bars.setAttribute("aria-label", told);
  row.bars.title = told;
}

function buildLegend(scale) {
  return node("span", { class: "mop-legend", "aria-hidden": "true" },
    node("i", { class: "mop-current" }), "now ", node("i", { class: "mop-learned" }),
    node("span", { class: "mop-learned-word" }, "learned "), scale);
}

export default () => {
  const past = [];
  const future = [];
  let gesture = null;

  const read = (model) => ({ weights: model.get("weights"), locked: model.get("locked") });

  // Saved at once: what is set but not yet saved, the kernel's echo of the move before undoes.
  function write(model, { weights, locked }) {
    model.set("weights", weights);
    model.set("locked", locked);
    model.save_changes();
  }

  function step(model, next) {
    const now = read(model);
    if (same(now.weights, next.weights) && same(now.locked, next.locked)) return;
    past.push(now);
    future.length = 0;
    write(model, next);
  }

  function travel(model, from, to) {
    if (!from.length) return;
    to.push(read(model));
    write(model, from.pop());
  }

  function slide(model, index, value) {
    const { weights, locked } = read(model);
    const going = gesture?.index === index && same(gesture.weights, weights);
    const proportions = going ? gesture.proportions : weights;
    const target = Math.round(1000 * value) / 1000;
    const next = { weights: move(weights, locked, index, target, proportions), locked };
    if (same(next.weights, weights)) return;
    gesture = { index, proportions, weights: next.weights };
    if (going) write(model, next);
    else step(model, next);
  }

  const spread = (model, proportions) => {
    const { weights, locked } = read(model);
    if (locked.includes(false)) step(model, { weights: rescale(weights, locked, proportions), locked });
  };

  const turn = (model, index) => {
    const { weights, locked } = read(model);
    step(model, { weights, locked: locked.map((lock, i) => (i === index ? !lock : lock)) });
  };

  function bindRow(row, i, model, signal) {
    row.lock.addEventListener("click", () => turn(model, i), { signal });
    row.slider.addEventListener("input", () => slide(model, i, row.slider.valueAsNumber), { signal });
    row.slider.addEventListener("keydown", (event) => {
      if (!(event.key in KEYS) || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      slide(model, i, model.get("weights")[i] + KEYS[event.key]);
    }, { signal });
    for (const end of ["pointerdown", "blur"]) {
      row.slider.addEventListener(end, () => { gesture = null; }, { signal });
    }
  }

  function buildTools(model, signal) {
    const button = (label, title, onClick) => {
      const made = node("button", { type: "button", title }, label);
      made.addEventListener("click", () => {
        if (made.getAttribute("aria-disabled") !== "true") onClick();
      }, { signal });
      return made;
    };
    return {
      learned: button("Learned", "Give the unlocked weights their learned proportions",
        () => spread(model, model.get("learned"))),
      uniform: button("Uniform", "Make the unlocked weights equal",
        () => spread(model, model.get("names").map(() => 1))),
      undo: button("Undo", "Take the last change back", () => travel(model, past, future)),
      redo: button("Redo", "Make the change again", () => travel(model, future, past)),
    };
  }

  function render({ model, el, signal }) {
    const rows = model.get("names").map(buildRow);
    const tools = buildTools(model, signal);
    const scale = node("span", {});
    const root = node("div", { class: "mop-weights", role: "group", "aria-label": "Persona weights" },
      node("div", { class: "mop-tools" }, ...Object.values(tools), buildLegend(scale)),
      node("div", { class: "mop-rows" }, ...rows.map((row) => row.element)));
    rows.forEach((row, i) => bindRow(row, i, model, signal));
    // The notebook's own shortcuts must not take the keys that work the panel.
    root.addEventListener("keydown", (event) => {
      if (event.key in KEYS || event.key === "Enter" || event.key === " ") event.stopPropagation();
    }, { signal });

    function draw() {
      const state = { ...read(model), learned: model.get("learned") };
      const largest = Math.max(...state.weights, ...state.learned);
      const top = [0.05, 0.1, 0.25, 0.5].find((size) => largest <= size) ?? 1;
      const free = state.locked.filter((lock) => !lock).length > 1;
      const enable = (tool, on) => tool.setAttribute("aria-disabled", !on);
      enable(tools.learned, free && state.learned.length > 0);
      enable(tools.uniform, free);
      enable(tools.undo, past.length > 0);
      enable(tools.redo, future.length > 0);
      root.classList.toggle("mop-no-learned", state.learned.length === 0);
      scale.textContent = `bars: 0\u2013${100 * top}%`;
      rows.forEach((row, i) => drawRow(row, i, state, top));
    }

    for (const trait of ["weights", "learned", "locked"]) model.on(`change:${trait}`, draw);
    draw();
    el.append(root);
  }

  return { render };
};
