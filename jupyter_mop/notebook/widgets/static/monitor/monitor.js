// The run monitor. The view is drawn from the trait `state`, which only Python writes. Requests
// are sent as messages: { do: "hello" | "pause" | "resume" | "cancel" }.

import { node, panel } from "../shared/elements.js";

const STATUS = { running: "Running", paused: "Paused", done: "Done", stopped: "Stopped", waiting: "Batch sent", failed: "Failed" };
const HELLO_DELAYS = [0, 300, 1000, 3000, 8000, 20000];

/** A duration as 7 s, 1:05 or 2:03:09. */
export function formatSeconds(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (!whole) return "under 1 s";
  if (whole < 60) return `${whole} s`;
  const pad = (n) => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h ? `${h}:${pad(m)}:${pad(s)}` : `${m}:${pad(s)}`;
}

/** A rate per second, or per minute if it is slow; empty if it is not known. */
export function formatRate(rate) {
  if (!rate) return "";
  if (rate < 1) return `${(60 * rate).toFixed(1)} per minute`;
  return `${rate < 100 ? rate.toFixed(1) : formatCount(Math.round(rate))} per second`;
}

export const formatCount = (n) => n.toLocaleString("en");
const width = (part, whole) => `${whole ? (100 * part) / whole : 0}%`;

function buildStep(what) {
  const step = {
    cached: node("i", { class: "mop-cached" }),
    computed: node("i", { class: "mop-computed" }),
    count: node("span", { class: "mop-count" }),
    time: node("span", { class: "mop-time" }),
  };
  step.bar = node("div", { class: "mop-bar", role: "progressbar", "aria-label": what, "aria-valuemin": 0 },
    step.cached, step.computed);
  step.element = node("li", { class: "mop-step" },
    node("bdi", { class: "mop-what", title: what }, what), step.bar, step.count, step.time);
  return step;
}

function drawStep(view, step, isLast) {
  const hasEnded = !isLast || step.done === step.total;
  const text = `${formatCount(step.done)} of ${formatCount(step.total)}`;
  view.element.classList.toggle("mop-ended", hasEnded);
  view.cached.style.width = width(step.cached, step.total);
  view.computed.style.width = width(step.done - step.cached, step.total);
  view.bar.setAttribute("aria-valuemax", step.total);
  view.bar.setAttribute("aria-valuenow", step.done);
  view.bar.setAttribute("aria-valuetext", text);
  view.bar.title = step.cached ? `${text}, ${formatCount(step.cached)} of them cached` : text;
  view.count.textContent = text;
  const left = step.left === null ? "" : `${formatSeconds(step.left)} left`;
  const times = hasEnded ? [`in ${formatSeconds(step.seconds)}`] : [formatRate(step.rate), left];
  view.time.textContent = times.filter(Boolean).join(" \u00b7 ");
}

/** The run's counts as [label, value, isProblem]; those at zero are left out. */
export function counts({ tokens, cached, cost, retries, failures }) {
  const problems = (label, reasons) =>
    Object.entries(reasons).map(([reason, n]) => [label, `${formatCount(n)} \u00d7 ${reason}`, true]);
  return [
    ["tokens", tokens && formatCount(tokens)],
    ["cached", cached && formatCount(cached)],
    ["spent", cost !== null && `$${cost.toFixed(cost < 1 ? 4 : 2)}`],
    ...problems("retried", retries),
    ...problems("failed", failures),
  ].filter(([, value]) => value);
}

function drawCounts(list, state) {
  const items = counts(state).map(([label, value, isProblem]) =>
    node("li", { class: isProblem ? "mop-problem" : "" },
      ...(isProblem ? [`${label} `, node("bdi", {}, value)] : [`${value} ${label}`])));
  list.replaceChildren(...items);
}

function buildView() {
  const view = {
    status: node("strong", { class: "mop-status", role: "status" }),
    total: node("span", { class: "mop-total" }),
    pause: node("button", { type: "button" }, "Pause"),
    cancel: node("button", { type: "button", title: "Stop the run; finished answers are cached" }, "Cancel"),
    steps: node("ol", { class: "mop-steps" }),
    counts: node("ul", { class: "mop-counts", "aria-label": "Counts" }),
    latest: node("ul", { class: "mop-latest", "aria-label": "Latest responses" }),
    stepViews: [],
  };
  view.buttons = node("span", { class: "mop-buttons", hidden: "" }, view.pause, view.cancel);
  view.head = node("div", { class: "mop-head" }, node("span", {}, view.status, view.total), view.buttons);
  return view;
}

/** The status in words: what is done, how long it took so far, and the time left in all. */
export function statusText({ status, steps, seconds, left }) {
  const [done, total] = ["done", "total"].map((name) => steps.reduce((sum, step) => sum + step[name], 0));
  const time = left === null ? "" : `about ${formatSeconds(left)} left`;
  const share = total ? `${Math.floor((100 * done) / total)} %` : "";
  const parts = status === "running" || status === "paused" ? [share, `${formatSeconds(seconds)} so far`, time] : [`after ${formatSeconds(seconds)}`];
  return [STATUS[status], ...parts].filter(Boolean).join(" \u00b7 ");
}

function drawLatest(list, latest) {
  list.hidden = !latest.length;
  list.replaceChildren(...latest.map((text) =>
    node("li", { dir: "auto", title: text, class: text ? "" : "mop-empty" }, text || "(empty)")));
}

function draw(view, state) {
  view.status.textContent = STATUS[state.status];
  view.total.textContent = statusText(state).slice(STATUS[state.status].length);
  view.status.dataset.status = state.status;
  for (const step of state.steps.slice(view.stepViews.length)) {
    view.stepViews.push(buildStep(step.what));
    view.steps.append(view.stepViews.at(-1).element);
  }
  state.steps.forEach((step, i) => drawStep(view.stepViews[i], step, i === state.steps.length - 1));
  drawCounts(view.counts, state);
  drawLatest(view.latest, state.latest);
  view.pause.textContent = state.status === "paused" ? "Resume" : "Pause";
  view.pause.title = state.status === "paused" ? "Continue the run" : "Pause after the current answer";
}

function render({ model, el, signal }) {
  const view = buildView();
  const redraw = () => draw(view, model.get("state"));
  const timers = [];

  function request(action, pressed, label) {
    model.send({ do: action });
    pressed.textContent = label;
  }
  function showButtons(message) {
    if (message.connected) view.buttons.hidden = false;
  }
  view.pause.addEventListener("click", () => {
    const isPaused = model.get("state").status === "paused";
    request(isPaused ? "resume" : "pause", view.pause, isPaused ? "Resuming\u2026" : "Pausing\u2026");
  }, { signal });
  view.cancel.addEventListener("click", () => request("cancel", view.cancel, "Cancelling\u2026"), { signal });
  view.buttons.addEventListener("keydown", (event) => event.stopPropagation(), { signal });

  el.append(panel("mop-monitor", "Run monitor",
    view.head, view.counts, view.steps, view.latest));
  model.on("change:state", redraw);
  model.on("msg:custom", showButtons);
  redraw();
  for (const delay of HELLO_DELAYS) {
    timers.push(setTimeout(() => view.buttons.hidden && model.send({ do: "hello" }), delay));
  }
  return () => {
    timers.forEach(clearTimeout);
    model.off("change:state", redraw);
    model.off("msg:custom", showButtons);
  };
}

export default { render };
