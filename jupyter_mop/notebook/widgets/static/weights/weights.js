// The weights panel: the sliders of the alignment panel without a simulation. The traits are the
// truth: each view is drawn from model.get. Undo and the current gesture exist in the browser only.

import { node, panel } from "../shared/elements.js";
import { buildPersonas, weightActions } from "../shared/persona_rows.js";
import { buildWeightTools, keepKeys, mixerOf } from "../shared/weight_tools.js";

export default () => {
  let mixer;

  function render({ model, el, signal }) {
    const names = model.get("names");
    const undrawn = names.map(() => false);
    mixer ??= mixerOf(model, undrawn);
    const settle = () => {};
    const tools = buildWeightTools(model, mixer, settle, signal);
    const personas = buildPersonas({ names, colours: model.get("colours"), undrawn }, [], weightActions(mixer, settle), signal);
    const root = panel("mop-weights", "Persona weights",
      node("div", { class: "mop-tools" }, ...tools.elements), tools.owner, personas.element);
    keepKeys(root, signal);

    function draw() {
      const held = mixer.held();
      const state = mixer.read();
      const canSpread = held.filter((hold) => !hold).length > 1;
      const scene = { weights: state.weights, locked: state.locked, learned: model.get("learned"), mixer: state, held, metrics: [], canSpread };
      tools.draw(scene);
      personas.draw(scene);
    }

    for (const trait of ["weights", "learned", "locked", "muted", "is_owner"]) model.on(`change:${trait}`, draw);
    draw();
    el.append(root);
  }

  return { render };
};
