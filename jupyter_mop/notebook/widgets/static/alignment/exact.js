// Exact metrics from the kernel: requested when the weights settle, one request at a time.

import { same } from "../shared/simplex.js";

const SETTLED_AFTER = 300;
const MAX_WAIT = 60_000;

export function buildExact(model, signal) {
  let [timer, requestedAt, isPointerDown] = [0, 0, false];
  const isRequested = () => requestedAt > 0 && performance.now() - requestedAt < MAX_WAIT;

  /** The exact metrics if they belong to the current weights. */
  function current() {
    const exact = model.get("exact");
    return exact?.weights && same(exact.weights, model.get("weights")) ? exact : null;
  }

  function request() {
    if (!model.get("live") || current() || isPointerDown || isRequested()) return;
    requestedAt = performance.now();
    model.save_changes();
    model.send({ type: "release" });
  }

  function settle() {
    clearTimeout(timer);
    timer = setTimeout(request, SETTLED_AFTER);
  }

  model.on("change:exact", () => {
    requestedAt = 0;
    if (!current()) settle();
  });
  signal.addEventListener("abort", () => clearTimeout(timer));
  return { settle, current, isRequested, setPointerDown: (isDown) => { isPointerDown = isDown; } };
}
