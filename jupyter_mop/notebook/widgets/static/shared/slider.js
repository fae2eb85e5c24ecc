// What the weight sliders of the panels share: keyboard steps, a lock, and how far they are drawn.

import { svgNode } from "./elements.js";

export const KEY_STEPS = {
  ArrowRight: 0.01, ArrowUp: 0.01, PageUp: 0.1, End: 1,
  ArrowLeft: -0.01, ArrowDown: -0.01, PageDown: -0.1, Home: -1,
};

export function padlock() {
  return svgNode("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" },
    svgNode("path", { d: "M5 8V5a3 3 0 0 1 6 0v3", class: "mop-shackle" }),
    svgNode("rect", { x: 3, y: 7.5, width: 10, height: 7, rx: 1.5 }));
}

/** Call `step` with the change of weight that a key stands for. */
export function onStepKey(slider, step, signal) {
  slider.addEventListener("keydown", (event) => {
    if (!(event.key in KEY_STEPS) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    step(KEY_STEPS[event.key]);
  }, { signal });
}

/** Call `end` when a drag starts or the focus leaves: the next move is a new gesture. */
export function onGestureEnd(slider, end, signal) {
  for (const type of ["pointerdown", "blur"]) slider.addEventListener(type, end, { signal });
}

/** Draw how far a slider can move and how much of that is filled. */
export function drawRange(slider, weight, limit) {
  slider.style.setProperty("--reach", limit);
  slider.style.setProperty("--filled", limit > 0 ? Math.min(1, weight / limit) : 0);
}
