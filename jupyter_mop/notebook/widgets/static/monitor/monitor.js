// The trait `state` is the truth: the view is drawn from model.get. Python alone writes it.
// What the screen asks goes as messages: {do: "hello" | "pause" | "resume" | "cancel"}.

const STATUS = { running: "Running", paused: "Paused", done: "Done", stopped: "Stopped", failed: "Failed" };
const HELLOS = [0, 300, 1000, 3000, 8000, 20000];

/** Seconds as 7 s, 1:05 or 2:03:09. */
export function clock(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (!whole) return "under 1 s";
  if (whole < 60) return `${whole} s`;
  const two = (n) => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** A rate in the unit that reads well: per second, or per minute where it is slow. */
export function speed(rate) {
  if (!rate) return "";
  if (rate < 1) return `${(60 * rate).toFixed(1)} per minute`;
  return `${rate < 100 ? rate.toFixed(1) : count(Math.round(rate))} per second`;
}

export const count = (n) => n.toLocaleString("en");
const percent = (part, whole) => `${whole ? (100 * part) / whole : 0}%`;

function node(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function buildStep(what) {
  const step = {
    kept: node("i", { class: "mop-kept" }),
    fresh: node("i", { class: "mop-fresh" }),
    count: node("span", { class: "mop-count" }),
    pace: node("span", { class: "mop-pace" }),
  };
  step.bar = node("div", { class: "mop-bar", role: "progressbar", "aria-label": what, "aria-valuemin": 0 },
    step.kept, step.fresh);
  step.element = node("li", { class: "mop-step" },
    node("bdi", { class: "mop-what", title: what }, what), step.bar, step.count, step.pace);
  return step;
}

function drawStep(view, step, isLast) {
  const ended = !isLast || step.done === step.total;
  const told = `${count(step.done)} of ${count(step.total)}`;
  view.element.classList.toggle("mop-ended", ended);
  view.kept.style.width = percent(step.kept, step.total);
  view.fresh.style.width = percent(step.done - step.kept, step.total);
  view.bar.setAttribute("aria-valuemax", step.total);
  view.bar.setAttribute("aria-valuenow", step.done);
  view.bar.setAttribute("aria-valuetext", told);
  view.bar.title = step.kept ? `${told}, ${count(step.kept)} of them kept from before` : told;
  view.count.textContent = told;
  const left = step.left === null ? "" : `${clock(step.left)} left`;
  const paces = ended ? [`in ${clock(step.seconds)}`] : [speed(step.rate), left];
  view.pace.textContent = paces.filter(Boolean).join(" \u00b7 ");
}

/** What the run cost and what went wrong, as [word, value, is it trouble]; nothing at zero. */
export function figures({ tokens, kept, cost, retries, failures }) {
  const troubles = (word, reasons) =>
    Object.entries(reasons).map(([reason, n]) => [word, `${count(n)} \u00d7 ${reason}`, true]);
  return [
    ["tokens", tokens && count(tokens)],
    ["kept answers", kept && count(kept)],
    ["spent", cost !== null && `$${cost.toFixed(cost < 1 ? 4 : 2)}`],
    ...troubles("retried", retries),
    ...troubles("failed", failures),
  ].filter(([, value]) => value);
}

function drawFigures(list, state) {
  const items = figures(state).map(([word, value, trouble]) =>
    node("li", { class: trouble ? "mop-trouble" : "" },
      ...(trouble ? [`${word} `, node("bdi", {}, value)] : [`${value} ${word}`])));
  list.replaceChildren(...items);
}

function buildView() {
  const view = {
    status: node("strong", { class: "mop-status", role: "status" }),
    pause: node("button", { type: "button" }, "Pause"),
    cancel: node("button", { type: "button", title: "Stop here; what is finished is kept" }, "Cancel"),
    steps: node("ol", { class: "mop-steps" }),
    figures: node("ul", { class: "mop-figures", "aria-label": "Figures" }),
    latest: node("ul", { class: "mop-latest", "aria-label": "Latest responses" }),
    drawn: [],
  };
  view.buttons = node("span", { class: "mop-buttons", hidden: "" }, view.pause, view.cancel);
  view.head = node("div", { class: "mop-head" }, view.status, view.buttons);
  return view;
}

function drawLatest(list, latest) {
  list.hidden = !latest.length;
  list.replaceChildren(...latest.map((text) =>
    node("li", { dir: "auto", title: text, class: text ? "" : "mop-nothing" }, text || "(empty)")));
}

function draw(view, state) {
  view.status.textContent = STATUS[state.status];
  view.status.dataset.status = state.status;
  for (const step of state.steps.slice(view.drawn.length)) {
    view.drawn.push(buildStep(step.what));
    view.steps.append(view.drawn.at(-1).element);
  }
  state.steps.forEach((step, i) => drawStep(view.drawn[i], step, i === state.steps.length - 1));
  drawFigures(view.figures, state);
  drawLatest(view.latest, state.latest);
  view.pause.textContent = state.status === "paused" ? "Resume" : "Pause";
  view.pause.title = state.status === "paused" ? "Go on" : "Hold after the answer under way";
}

function render({ model, el, signal }) {
  const view = buildView();
  const redraw = () => draw(view, model.get("state"));
  const timers = [];

  function ask(what, button, word) {
    model.send({ do: what });
    button.textContent = word;
  }
  function heard(message) {
    if (message.heard) view.buttons.hidden = false;
  }
  view.pause.addEventListener("click", () => {
    const paused = model.get("state").status === "paused";
    ask(paused ? "resume" : "pause", view.pause, paused ? "Resuming\u2026" : "Pausing\u2026");
  }, { signal });
  view.cancel.addEventListener("click", () => ask("cancel", view.cancel, "Cancelling\u2026"), { signal });
  view.buttons.addEventListener("keydown", (event) => event.stopPropagation(), { signal });

  el.append(node("div", { class: "mop-monitor", role: "group", "aria-label": "Run monitor" },
    view.head, view.figures, view.steps, view.latest));
  model.on("change:state", redraw);
  model.on("msg:custom", heard);
  redraw();
  for (const wait of HELLOS) {
    timers.push(setTimeout(() => view.buttons.hidden && model.send({ do: "hello" }), wait));
  }
  return () => {
    timers.forEach(clearTimeout);
    model.off("change:state", redraw);
    model.off("msg:custom", heard);
  };
}

export default { render };
