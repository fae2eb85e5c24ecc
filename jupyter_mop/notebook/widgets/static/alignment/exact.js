// Exact metrics from the kernel: requested when the weights settle, one request at a time.

import { same } from "../shared/simplex.js";

const SETTLED_AFTER = 300;
const MAX_WAIT = 60_000;

export function buildExact(model, isWanted, signal) {
  let [timer, requestedAt, isPointerDown] = [0, 0, false];
  const isRequested = () => requestedAt > 0 && performance.now() - requestedAt < MAX_WAIT;

  const isCurrent = () => {
    const { weights } = model.get("exact");
    return Boolean(weights) && same(weights, model.get("weights"));
  };

  function request() {
    if (!isWanted || !model.get("live") || isCurrent() || isPointerDown || isRequested()) return;
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
    if (!isCurrent()) settle();
  });
  signal.addEventListener("abort", () => clearTimeout(timer));
  return { settle, isCurrent, isRequested, setPointerDown: (isDown) => { isPointerDown = isDown; } };
}
