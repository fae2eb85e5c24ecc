// The alignment panel. The traits (weights, locked, muted, learned) are the truth: each view is
// drawn from model.get. Undo, the current gesture and the selection exist in the browser only.

import { buildAlign } from "./align.js";
import { codeOf } from "../shared/code.js";
import { decode } from "./decode.js";
import { buildDensity } from "./density.js";
import { button, node, panel, setEnabled, updateText } from "../shared/elements.js";
import { buildExact } from "./exact.js";
import { buildMap } from "./map.js";
import { buildMetricCards } from "./metric_cards.js";
import { buildMissing } from "./missing.js";
import { contributions, effectiveSampleSize, higherIsBetter, metrics } from "../metrics/mixture_gradients.js";
import { buildMixer } from "../shared/mixer.js";
import { buildPersonas } from "./persona_rows.js";
import { buildReader } from "./response_list.js";
import { eitherFlag, mute, same, toggleSolo, unmute } from "../shared/simplex.js";

const TARGET_SIZE = 100;

/** Whether the effective sample size is enough, and which draws are missing if not. */
export function sampleSizeNote({ names, counts, total }, weights, size) {
  const needed = Math.min(TARGET_SIZE, total / 2);
  if (size >= needed) return "Enough draws for these weights.";
  const weightPerDraw = weights.map((weight, k) => weight / Math.max(1, counts[k]));
  const k = weightPerDraw.indexOf(Math.max(...weightPerDraw));
  const missing = Math.max(1, Math.ceil(needed * weights[k]) - counts[k]);
  return `Too few draws for these weights: simulate about ${missing} more of ${names[k]}.`;
}

/** Why no weight can move; empty if one can. */
function immovableNote({ names, undrawn }, locked, muted) {
  if (names.length === 1) return "There is one persona: its weight is always 100%.";
  const nFree = names.filter((_, i) => !locked[i] && !muted[i] && !undrawn[i]).length;
  if (nFree > 1) return "";
  return nFree ? "Only one persona is free, so no weight can move: unlock or unmute another."
    : "Every persona with draws is locked or muted: unlock or unmute two to move their weights.";
}

/** The mixer of a model, with mute and solo; its views share it. */
function mixerOf(model, { undrawn }) {
  let last = {};

  function read() {
    const weights = model.get("weights");
    const isLast = last.weights && same(last.weights, weights);
    const extra = isLast ? { reserved: last.reserved, solo: last.solo } : {};
    return { weights, locked: eitherFlag(model.get("locked"), undrawn), muted: model.get("muted"), ...extra };
  }

  // Saved at once: otherwise the kernel's echo of the previous move would undo an unsaved one.
  function write(state) {
    last = state;
    model.set("weights", state.weights);
    model.set("locked", state.locked.map((lock, i) => lock && !undrawn[i]));
    model.set("muted", state.muted);
    model.save_changes();
  }

  const held = ({ locked, muted }) => eitherFlag(locked, muted);
  const mixer = buildMixer({ read, write, held, traits: ["weights", "locked", "muted"] });
  return {
    ...mixer,
    toggleMute: (i) => mixer.step(read().muted[i] ? unmute(read(), i) : mute(read(), i)),
    toggleSolo: (i) => mixer.step(toggleSolo(read(), i)),
  };
}

/** The code of the current weights: on the clipboard, and in a field to copy it from. */
function buildCopy(model, data, signal) {
  const field = node("input", { type: "text", readonly: "", "aria-label": "Code of these weights", spellcheck: "false" });
  const message = node("span", { role: "status" });
  const element = node("div", { class: "mop-code", hidden: "" }, field, message);
  const code = () => codeOf(model.get("name"), data.names, model.get("weights"));
  async function copy() {
    element.hidden = false;
    field.value = code();
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
      updateText(message, "Copied.");
    } catch {
      updateText(message, "Press Ctrl+C to copy.");
    }
  }
  const tool = button("Copy as code", "Copy the line that reweights the simulation to these weights, under a new name", copy, signal);
  function draw() {
    if (element.hidden || field.value === code()) return;
    field.value = code();
    updateText(message, "");
  }
  return { element, tool, draw };
}

function buildTools(model, data, mixer, afterwards, signal) {
  const tool = (label, title, action) => button(label, title, () => { action(); afterwards(); }, signal);
  return {
    learned: tool("Learned", "Give the free personas their learned proportions", () => mixer.spread(model.get("learned"))),
    uniform: tool("Uniform", "Make the weights of the free personas equal", () => mixer.spread(data.names.map(() => 1))),
    undo: tool("Undo", "Undo the last change", mixer.undo),
    redo: tool("Redo", "Redo the last undone change", mixer.redo),
  };
}

/** Every metric at these weights, and how it changes as each persona is raised. */
function measure({ statistics, undrawn }, names, weights) {
  const found = metrics(statistics, weights);
  return names.map((name) => {
    const slopes = Array.from(contributions(found[name].gradient, weights), (slope, k) => (undrawn[k] ? 0 : slope));
    const better = higherIsBetter(name) ? "higher" : "lower";
    return { name, value: found[name].value, better, slopes, steepest: Math.max(...slopes.map(Math.abs)) };
  });
}

function buildRoot(model, tools, { align, copy, personas, cards, map, density, responses, missing }, notes) {
  return panel(`mop-alignment${model.get("live") ? " mop-live" : ""}`, "Alignment panel",
    node("div", { class: "mop-tools" },
      node("span", { class: "mop-group" }, tools.learned, tools.uniform), node("span", { class: "mop-group" }, tools.undo, tools.redo),
      node("span", { class: "mop-group" }, align.tool, align.choice), align.message, copy.tool),
    copy.element, notes,
    node("div", { class: "mop-body" }, personas.element,
      node("div", { class: "mop-stage" }, cards.element, map.element,
        node("div", { class: "mop-side" }, density.element, responses.element)), missing.element));
}

export default () => {
  let data;
  let mixer;

  function render({ model, el, signal }) {
    data ??= decode(model);
    mixer ??= mixerOf(model, data);
    const exact = buildExact(model, signal);
    const settle = () => exact.settle();
    const thenSettle = (action) => (...values) => { action(...values); settle(); };
    const tools = buildTools(model, data, mixer, settle, signal);
    const reader = {
      choose(selection, source) {
        views.map.highlight(selection?.indices ?? null);
        views.responses.show(selection, source);
      },
      select: (indices) => reader.choose(indices.length ? { indices, about: "selected" } : null),
      pin(i) {
        views.map.pin(i);
        views.responses.pin(i, true);
      },
    };
    const align = buildAlign(data, mixer, settle, signal);
    const views = {
      align,
      copy: buildCopy(model, data, signal),
      personas: buildPersonas(data, align.names, {
        slide: mixer.slide, endGesture: mixer.endGesture, settle,
        step: thenSettle((i, change) => mixer.slide(i, mixer.read().weights[i] + change)),
        type: thenSettle((i, share) => { mixer.endGesture(); mixer.slide(i, share); draw(); }),
        lock: mixer.toggleLock, solo: thenSettle(mixer.toggleSolo), mute: thenSettle(mixer.toggleMute),
      }, signal),
      cards: buildMetricCards(data, align.names),
      map: buildMap(data, reader, signal),
      density: buildDensity(data),
      responses: buildReader(data, reader, signal),
      missing: buildMissing(data, reader, signal),
    };

    const immovable = node("p", { role: "status" });
    const error = node("p", { class: "mop-error", role: "alert", dir: "auto" });
    const notes = node("div", { class: "mop-notes" },
      ...data.notes.map((note) => node("p", { dir: "auto" }, note)), immovable, error);
    const root = buildRoot(model, tools, views, notes);

    let drawnWeights = null;
    function draw() {
      const state = mixer.read();
      const { weights } = state;
      const locked = model.get("locked");
      const size = effectiveSampleSize(data.statistics, weights);
      const scene = {
        weights, size, locked, learned: model.get("learned"), mixer: state, held: mixer.held(),
        metrics: measure(data, align.names, weights), sizeNote: sampleSizeNote(data, weights, size),
        hasMoved: !drawnWeights || !same(drawnWeights, weights),
        exact: exact.current(), isExactRequested: exact.isRequested(),
      };
      drawnWeights = weights;
      root.dataset.size = size;
      for (const view of Object.values(views)) view.draw?.(scene);
      const canSpread = scene.held.filter((hold) => !hold).length > 1;
      setEnabled(tools.learned, canSpread && scene.learned.length > 0);
      setEnabled(tools.uniform, canSpread);
      setEnabled(align.tool, canSpread);
      setEnabled(tools.undo, mixer.canUndo());
      setEnabled(tools.redo, mixer.canRedo());
      updateText(immovable, immovableNote(data, locked, state.muted));
      updateText(error, scene.exact?.error ?? "");
    }

    let frame = 0;
    const redraw = () => {
      frame ||= requestAnimationFrame(() => {
        frame = 0;
        draw();
      });
    };
    for (const trait of ["weights", "learned", "locked", "muted", "exact"]) model.on(`change:${trait}`, redraw);
    // The notebook's shortcuts must not take the keys that the panel uses.
    root.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "Escape") reader.pin(-1);
      if (event.key !== "Tab") event.stopPropagation();
    }, { signal });
    root.addEventListener("pointerdown", () => exact.setPointerDown(true), { signal });
    for (const end of ["pointerup", "pointercancel"]) window.addEventListener(end, () => exact.setPointerDown(false), { signal });
    draw();
    el.append(root);
  }

  return { render };
};
