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
import { humanFloor } from "../metrics/human_floor.js";
import { buildPersonas, weightActions } from "../shared/persona_rows.js";
import { buildReader } from "./response_list.js";
import { shownMetric } from "./shown.js";
import { same } from "../shared/simplex.js";
import { buildWeightTools, immovableNote, keepKeys, mixerOf } from "../shared/weight_tools.js";

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

/** Every metric at these weights, and how it changes as each persona is raised. */
function measure({ statistics, undrawn }, names, weights) {
  const found = metrics(statistics, weights);
  return names.map((name) => {
    const slopes = Array.from(contributions(found[name].gradient, weights), (slope, k) => (undrawn[k] ? 0 : slope));
    const better = higherIsBetter(name) ? "higher" : "lower";
    return { name, value: found[name].value, better, slopes, steepest: Math.max(...slopes.map(Math.abs)) };
  });
}

/** The exact metrics of the kernel as the cards read them: one { first, last, isCurrent } a metric. */
function buildExactReader(data, names, model) {
  let [read, at] = [null, {}];

  /** The browser's own metrics and floors at the weights of the latest exact ones. */
  function fastAt(exact) {
    if (read !== exact) {
      const size = effectiveSampleSize(data.statistics, exact.weights);
      const found = metrics(data.statistics, exact.weights);
      at = Object.fromEntries(names.map((name) => [name, {
        fast: found[name].value, fastFloor: humanFloor(data.statistics.floors?.[name], size),
      }]));
      read = exact;
    }
    return at;
  }

  return (isCurrent) => {
    const exact = model.get("exact");
    if (!exact.metrics) return {};
    const fast = fastAt(exact);
    return Object.fromEntries(names.filter((name) => exact.metrics[name]).map((name) => [name, {
      first: exact.first?.[name], last: { ...exact.metrics[name], ...fast[name] }, isCurrent,
    }]));
  };
}

function buildRoot(model, { tools, align, copy, personas, cards, map, density, responses, missing }, isClosed, notes) {
  const plots = isClosed ? [] : [map.element];
  return panel(`mop-alignment${isClosed ? " mop-closed" : ""}`, "Alignment panel",
    node("div", { class: "mop-tools" }, ...tools.elements,
      node("span", { class: "mop-group" }, align.tool, align.choice), align.message, copy.tool),
    tools.owner, copy.element, notes,
    node("div", { class: "mop-body" }, personas.element, cards.element,
      node("div", { class: "mop-stage" }, ...plots,
        node("div", { class: "mop-side" }, ...(isClosed ? [] : [density.element]), responses.element)),
      ...(isClosed ? [] : [missing.element])));
}

export default () => {
  let data;
  let mixer;

  function render({ model, el, signal }) {
    data ??= decode(model);
    mixer ??= mixerOf(model, data.undrawn);
    const { statistics } = data;
    const isClosed = Boolean(statistics.answers);
    const exact = buildExact(model, !isClosed, signal);
    const { settle } = exact;
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
    const align = buildAlign(data, model, mixer, settle, signal);
    const { names } = align;
    const views = {
      align,
      tools: buildWeightTools(model, mixer, settle, signal),
      copy: buildCopy(model, data, signal),
      personas: buildPersonas(data, names, weightActions(mixer, settle), signal),
      cards: buildMetricCards(data, names),
      map: buildMap(data, reader, signal),
      density: buildDensity(data),
      responses: buildReader(data, reader, signal),
      missing: buildMissing(data, reader, signal),
    };

    const immovable = node("p", { role: "status" });
    const error = node("p", { class: "mop-error", role: "alert", dir: "auto" });
    const notes = node("div", { class: "mop-notes" },
      ...data.notes.map((note) => node("p", { dir: "auto" }, note)), immovable, error);
    const root = buildRoot(model, views, isClosed, notes);
    const floorsAt = (size) => names.map((name) => humanFloor(statistics.floors?.[name], size));
    const start = measure(data, names, model.get("start"));
    const exactAt = buildExactReader(data, names, model);

    let drawnWeights = null;
    function draw() {
      const state = mixer.read();
      const { weights } = state;
      const locked = model.get("locked");
      const held = mixer.held();
      const size = effectiveSampleSize(statistics, weights);
      const found = measure(data, names, weights);
      const floors = floorsAt(size);
      const known = exactAt(exact.isCurrent());
      const scene = {
        weights, size, locked, learned: model.get("learned"), mixer: state, held,
        metrics: found, sizeNote: sampleSizeNote(data, weights, size),
        shown: found.map(({ name, value }, i) => shownMetric(name, { value, start: start[i].value, floor: floors[i] }, known[name])),
        hasMoved: !drawnWeights || !same(drawnWeights, weights),
        canSpread: held.filter((hold) => !hold).length > 1, isExactRequested: exact.isRequested(),
      };
      drawnWeights = weights;
      root.dataset.size = size;
      for (const view of Object.values(views)) view.draw?.(scene);
      setEnabled(align.tool, scene.canSpread);
      updateText(immovable, immovableNote(data, locked, state.muted));
      updateText(error, model.get("exact").error ?? "");
    }

    let frame = 0;
    const redraw = () => {
      frame ||= requestAnimationFrame(() => {
        frame = 0;
        draw();
      });
    };
    for (const trait of ["weights", "learned", "locked", "muted", "exact", "is_owner"]) model.on(`change:${trait}`, redraw);
    model.on("change:weights", settle);
    keepKeys(root, signal, () => reader.pin(-1));
    root.addEventListener("pointerdown", () => exact.setPointerDown(true), { signal });
    for (const end of ["pointerup", "pointercancel"]) window.addEventListener(end, () => exact.setPointerDown(false), { signal });
    draw();
    settle();
    el.append(root);
  }

  return { render };
};
