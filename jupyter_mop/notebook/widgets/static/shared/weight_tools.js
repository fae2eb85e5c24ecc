// What the weights panel and the alignment panel share: the weights of a model with undo, the
// buttons above the sliders, and who owns `--weights panel`.

import { button, node, setEnabled, updateText } from "./elements.js";
import { buildMixer } from "./mixer.js";
import { eitherFlag, mute, same, toggleSolo, unmute } from "./simplex.js";

const OWNER = "--weights panel uses the weights of this panel.";
const OTHER_OWNER = "--weights panel uses another panel: move a weight here to use these.";

/** The mixer of a model, with mute and solo; its views share it. Personas without draws stay at 0. */
export function mixerOf(model, undrawn) {
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

/** The buttons Learned, Uniform, Undo and Redo, and the line that names the owner. */
export function buildWeightTools(model, mixer, afterwards, signal) {
  const tool = (label, title, action) => button(label, title, () => { action(); afterwards(); }, signal);
  const learned = tool("Learned", "Give the free personas their learned proportions", () => mixer.spread(model.get("learned")));
  const uniform = tool("Uniform", "Make the weights of the free personas equal", () => mixer.spread(model.get("names").map(() => 1)));
  const undo = tool("Undo", "Undo the last change", mixer.undo);
  const redo = tool("Redo", "Redo the last undone change", mixer.redo);
  const owner = node("p", { class: "mop-owner", role: "status" });
  function draw({ canSpread, learned: weights }) {
    setEnabled(learned, canSpread && weights.length > 0);
    setEnabled(uniform, canSpread);
    setEnabled(undo, mixer.canUndo());
    setEnabled(redo, mixer.canRedo());
    const owns = model.get("is_owner");
    updateText(owner, owns === true ? OWNER : owns === false ? OTHER_OWNER : "");
  }
  const group = (...tools) => node("span", { class: "mop-group" }, ...tools);
  return { elements: [group(learned, uniform), group(undo, redo)], owner, draw };
}

/** Why no weight can move; empty if one can. */
export function immovableNote({ names, undrawn }, locked, muted) {
  if (names.length === 1) return "There is one persona: its weight is always 100%.";
  const nFree = names.filter((_, i) => !locked[i] && !muted[i] && !undrawn[i]).length;
  if (nFree > 1) return "";
  return nFree ? "Only one persona is free, so no weight can move: unlock or unmute another."
    : "Every persona that can have weight is locked or muted: unlock or unmute two to move their weights.";
}

/** Keep the keys that a panel uses from the notebook's shortcuts. */
export function keepKeys(root, signal, onEscape = () => {}) {
  root.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") onEscape();
    if (event.key !== "Tab") event.stopPropagation();
  }, { signal });
}
