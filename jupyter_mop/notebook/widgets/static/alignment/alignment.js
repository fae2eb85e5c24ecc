// The alignment panel. The traits (weights, locked, muted, learned) are the truth: each view is
// drawn from model.get. History, the gesture under way and what is selected are the screen's own.

import { codeOf } from "../shared/code.js";
import { decode } from "./decode.js";
import { buildDensity } from "./density.js";
import { button, enable, node, say, short } from "../shared/elements.js";
import { buildCards } from "./figure_cards.js";
import { contributions, effectiveSampleSize, figureNames, figures, higherIsBetter } from "../metrics/mixture_gradients.js";
import { buildMap } from "./map.js";
import { match } from "../metrics/matching.js";
import { buildMissing } from "./missing.js";
import { buildPersonas } from "./persona_rows.js";
import { buildReader } from "./response_list.js";
import { either, move, mute, percent, rescale, same, solo, unmute } from "../shared/simplex.js";

const ORDER = ["JS", "TV", "W1", "FID", "MAUVE", "KL cosine", "length"];
const SETTLED_AFTER = 300;
const EXACT_PATIENCE = 60_000;
const TARGET_SIZE = 100;

/** What the effective sample size allows, in words. */
export function verdictOf({ names, counts, total }, weights, size) {
  const wanted = Math.min(TARGET_SIZE, total / 2);
  if (size >= wanted) return "Enough draws for these weights.";
  const load = weights.map((v, k) => v / Math.max(1, counts[k]));
  const k = load.indexOf(Math.max(...load));
  const more = Math.max(1, Math.ceil(wanted * weights[k]) - counts[k]);
  return `Few draws carry these weights: more draws of ${names[k]} needed: about ${more}.`;
}

function whyStill({ names, undrawn }, { locked, muted }) {
  if (names.length === 1) return "There is one persona: its weight is always 100%.";
  const free = names.filter((_, i) => !locked[i] && !muted[i] && !undrawn[i]).length;
  if (free > 1) return "";
  return free ? "Only one persona is free, so no weight can move: unlock or unmute another."
    : "Every persona with draws is locked or muted: unlock or unmute two to move their weights.";
}

/** Weights, locks and mutes of one model, with undo and redo; its views share it. */
function buildMixer(model, data) {
  const past = [];
  const future = [];
  let [gesture, extra] = [null, {}];

  function read() {
    const weights = model.get("weights");
    const kept = extra.weights && same(extra.weights, weights) ? { kept: extra.kept, solo: extra.solo } : {};
    return { weights, locked: either(model.get("locked"), data.undrawn), muted: model.get("muted"), ...kept };
  }
  const held = () => either(read().locked, read().muted);

  // Saved at once: what is set but not yet saved, the kernel's echo of the move before undoes.
  function write(state) {
    extra = state;
    model.set("weights", state.weights);
    model.set("locked", state.locked.map((lock, i) => lock && !data.undrawn[i]));
    model.set("muted", state.muted);
    model.save_changes();
  }

  function step(next) {
    const now = read();
    if (["weights", "locked", "muted"].every((part) => same(now[part], next[part]))) return;
    past.push(now);
    future.length = 0;
    write(next);
  }

  function travel(from, to) {
    if (!from.length) return;
    to.push(read());
    write(from.pop());
  }

  function slide(index, value) {
    const state = read();
    const going = gesture?.index === index && same(gesture.weights, state.weights);
    const proportions = going ? gesture.proportions : state.weights;
    const target = Math.round(1000 * value) / 1000;
    const weights = move(state.weights, held(), index, target, proportions);
    if (same(weights, state.weights)) return;
    gesture = { index, proportions, weights };
    if (going) write({ ...state, weights });
    else step({ ...state, weights });
  }

  const set = (weights) => step({ ...read(), weights });
  return {
    read, held, slide, set,
    begin: () => { gesture = null; },
    spread: (shape) => held().includes(false) && set(rescale(read().weights, held(), shape)),
    lock: (i) => step({ ...read(), locked: read().locked.map((lock, k) => (k === i ? !lock : lock)) }),
    mute: (i) => step(read().muted[i] ? unmute(read(), i) : mute(read(), i)),
    solo: (i) => step(solo(read(), i)),
    undo: () => travel(past, future),
    redo: () => travel(future, past),
    past, future,
  };
}

/** The code of what is seen: on the clipboard, and in a field to take it from. */
function buildCopy(model, data, signal) {
  const field = node("input", { type: "text", readonly: "", "aria-label": "Code of these weights", spellcheck: "false" });
  const told = node("span", { role: "status" });
  const element = node("div", { class: "mop-code", hidden: "" }, field, told);
  const text = () => codeOf(model.get("name"), data.names, model.get("weights"));
  async function copy() {
    element.hidden = false;
    field.value = text();
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
      say(told, "Copied.");
    } catch {
      say(told, "Press Ctrl+C to copy.");
    }
  }
  const tool = button("Copy as code", "The line that simulates with these weights", copy, signal);
  function draw() {
    if (element.hidden || field.value === text()) return;
    field.value = text();
    say(told, "");
  }
  return { element, tool, draw };
}

/** Ask for exact figures when the weights rest; one question at a time. */
function buildExact(model, signal) {
  let [timer, since, down] = [0, 0, false];
  const current = () => {
    const exact = model.get("exact");
    return exact?.weights && same(exact.weights, model.get("weights")) ? exact : null;
  };
  function ask() {
    if (!model.get("live") || current() || down) return;
    if (performance.now() - since < EXACT_PATIENCE && since) return;
    since = performance.now();
    model.save_changes();
    model.send({ type: "release" });
  }
  function settle() {
    clearTimeout(timer);
    timer = setTimeout(ask, SETTLED_AFTER);
  }
  model.on("change:exact", () => {
    since = 0;
    if (!current()) settle();
  });
  signal.addEventListener("abort", () => clearTimeout(timer));
  return {
    settle, current,
    hold: (on) => { down = on; },
    wanted: () => since > 0 && performance.now() - since < EXACT_PATIENCE,
  };
}

function buildAlign(data, mixer, after, signal) {
  const { statistics } = data;
  const listed = ORDER.filter((name) => figureNames(statistics).includes(name));
  const choice = node("select", { "aria-label": "Figure to align" }, ...listed.map((name) => node("option", { value: name }, name)));
  choice.value = listed.includes("MAUVE") ? "MAUVE" : listed[0];
  const told = node("span", { class: "mop-told", role: "status" });
  const result = { weights: null };
  const tool = button("Align", "Find the weights of the free personas that bring this figure closest", () => {
    const found = match(statistics, choice.value, mixer.read().weights, mixer.held());
    mixer.set(Array.from(found.weights));
    result.weights = mixer.read().weights;
    say(told, `${choice.value}: ${short(found.before)} \u2192 ${short(found.after)} in ${found.steps} steps`);
    after();
  }, signal);
  tool.className = "mop-main";
  /** What was found is told until the weights move on. */
  const draw = ({ weights }) => { if (!result.weights || !same(result.weights, weights)) say(told, ""); };
  return { tool, choice, told, listed, draw };
}

export default () => {
  let data;
  let mixer;

  function render({ model, el, signal }) {
    data ??= decode(model);
    mixer ??= buildMixer(model, data);
    const exact = buildExact(model, signal);
    const release = () => exact.settle();
    const align = buildAlign(data, mixer, release, signal);
    const copy = buildCopy(model, data, signal);
    const then = (does) => (...values) => { does(...values); release(); };

    const tools = {
      learned: button("Learned", "Give the free personas their learned proportions", then(() => mixer.spread(model.get("learned"))), signal),
      uniform: button("Uniform", "Make the weights of the free personas equal", then(() => mixer.spread(data.names.map(() => 1))), signal),
      undo: button("Undo", "Take the last change back", then(mixer.undo), signal),
      redo: button("Redo", "Make the change again", then(mixer.redo), signal),
    };
    const reader = {
      choose(selection, source) {
        map.highlight(selection?.indices ?? null);
        responses.show(selection, source);
      },
      select: (indices) => reader.choose(indices.length ? { indices, about: "selected" } : null),
      pin(i) {
        map.pin(i);
        responses.pin(i, true);
      },
    };
    const personas = buildPersonas(data, align.listed, {
      slide: mixer.slide, begin: mixer.begin, release,
      step: then((i, by) => mixer.slide(i, mixer.read().weights[i] + by)),
      type: then((i, share) => { mixer.begin(); mixer.slide(i, share); draw(); }),
      lock: mixer.lock, solo: then(mixer.solo), mute: then(mixer.mute),
    }, signal);
    const cards = buildCards(data, align.listed);
    const map = buildMap(data, reader, signal);
    const density = buildDensity(data);
    const responses = buildReader(data, reader, signal);
    const missing = buildMissing(data, reader, signal);
    const views = [personas, cards, map, density, missing, copy, align];

    const notes = node("div", { class: "mop-notes" }, ...data.notes.map((note) => node("p", { dir: "auto" }, note)));
    const still = node("p", { role: "status" });
    const failed = node("p", { class: "mop-error", role: "alert", dir: "auto" });
    notes.append(still, failed);
    const root = node("div", { class: `mop-alignment${model.get("live") ? " mop-live" : ""}`, role: "group", "aria-label": "Alignment panel" },
      node("div", { class: "mop-tools" },
        node("span", { class: "mop-group" }, tools.learned, tools.uniform), node("span", { class: "mop-group" }, tools.undo, tools.redo),
        node("span", { class: "mop-group" }, align.tool, align.choice), align.told, copy.tool),
      copy.element, notes,
      node("div", { class: "mop-body" }, personas.element,
        node("div", { class: "mop-stage" }, cards.element, map.element,
          node("div", { class: "mop-side" }, density.element, responses.element)), missing.element));

    let drawnWeights = null;
    function draw() {
      const state = mixer.read();
      const { weights } = state;
      const found = figures(data.statistics, weights);
      const size = effectiveSampleSize(data.statistics, weights);
      const all = align.listed.map((name) => {
        const pulls = Array.from(contributions(found[name].gradient, weights), (pull, k) => (data.undrawn[k] ? 0 : pull));
        return { name, value: found[name].value, better: higherIsBetter(name) ? "higher" : "lower", pulls, steepest: Math.max(...pulls.map(Math.abs)) };
      });
      const scene = {
        weights, size, locked: model.get("locked"), learned: model.get("learned"), mixer: state, held: mixer.held(), figures: all,
        verdict: verdictOf(data, weights, size), moved: !drawnWeights || !same(drawnWeights, weights),
        exact: exact.current(), exactWanted: exact.wanted(),
      };
      drawnWeights = weights;
      root.dataset.size = size;
      for (const view of views) view.draw(scene);
      const free = scene.held.filter((hold) => !hold).length > 1;
      enable(tools.learned, free && scene.learned.length > 0);
      enable(tools.uniform, free);
      enable(align.tool, free);
      enable(tools.undo, mixer.past.length > 0);
      enable(tools.redo, mixer.future.length > 0);
      say(still, whyStill(data, { ...state, locked: scene.locked }));
      say(failed, scene.exact?.error ?? "");
    }

    let frame = 0;
    const redraw = () => {
      frame ||= requestAnimationFrame(() => {
        frame = 0;
        draw();
      });
    };
    for (const trait of ["weights", "learned", "locked", "muted", "exact"]) model.on(`change:${trait}`, redraw);
    // The notebook's own shortcuts must not take the keys that work the panel.
    root.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "Escape") reader.pin(-1);
      if (event.key !== "Tab") event.stopPropagation();
    }, { signal });
    root.addEventListener("pointerdown", () => exact.hold(true), { signal });
    for (const end of ["pointerup", "pointercancel"]) window.addEventListener(end, () => exact.hold(false), { signal });
    draw();
    el.append(root);
  }

  return { render };
};
