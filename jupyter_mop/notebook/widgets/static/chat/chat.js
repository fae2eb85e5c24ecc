// The chat panel. The traits are the truth: each view is drawn from model.get. A view asks by a
// message; the text so far, the response or a problem comes back as traits. What is typed exists
// in the view only.

import { node, onPress, panel, quotedText, setEnabled, updateText } from "../shared/elements.js";

const plainButton = (label, className = "") => node("button", { type: "button", class: className }, label);

function turnNodes({ question, response, finish_reason: reason }, name) {
  const nodes = [quotedText("p", "mop-question", question), quotedText("p", "mop-response", response)];
  nodes[0].setAttribute("aria-label", "You");
  nodes[1].setAttribute("aria-label", name);
  if (reason === "length") nodes.push(node("p", { class: "mop-cut" }, "Cut at the longest response; --max-tokens allows more."));
  return nodes;
}

function buildExemplar() {
  const question = quotedText("p", "mop-question", "");
  const response = quotedText("p", "mop-response", "");
  const summary = node("summary", {}, "Exemplar in the prompt: a real record");
  const element = node("details", { class: "mop-exemplar" }, summary, question, response);
  return { element, question, response };
}

function render({ model, el, signal }) {
  const { name, description, colour } = model.get("persona");
  const heading = node("div", { class: "mop-head" }, node("i", { class: "mop-dot", "aria-hidden": "true" }), quotedText("b", "", name));
  const about = quotedText("p", "mop-about", description);
  const exemplar = buildExemplar();
  const log = node("div", { class: "mop-log", role: "log", "aria-label": `Conversation with ${name}`, tabindex: 0 });
  const typed = node("textarea", { rows: 2, dir: "auto", "aria-label": `Question to ${name}`, placeholder: "Ask a question. Enter sends, Shift+Enter breaks the line." });
  const ask = plainButton("Ask", "mop-main");
  const stop = plainButton("Stop");
  const restart = plainButton("New conversation");
  const copy = plainButton("Copy transcript");
  const status = node("span", { class: "mop-status", role: "status" });
  const problem = node("p", { class: "mop-problem", role: "alert", hidden: "" });
  const code = node("textarea", { class: "mop-code", readonly: "", hidden: "", rows: 6, "aria-label": "The transcript" });
  const root = panel("mop-chat", `Chat with ${name}`, heading, about, exemplar.element, log, problem, typed,
    node("div", { class: "mop-tools" }, ask, stop, restart, copy, status), code);
  root.style.setProperty("--mop-colour", colour);
  let drawn = "";
  let isStopping = false;

  function send() {
    if (model.get("busy") || !typed.value.trim()) return;
    model.send({ do: "ask", text: typed.value });
    typed.value = "";
    typed.focus();
  }

  function drawLog() {
    const { busy, question, partial, turns } = { busy: model.get("busy"), question: model.get("question"), partial: model.get("partial"), turns: model.get("turns") };
    const state = JSON.stringify([turns, busy && question, busy && partial]);
    if (state === drawn) return;
    drawn = state;
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    const nodes = turns.flatMap((turn) => turnNodes(turn, name));
    if (busy && question) nodes.push(...turnNodes({ question, response: partial || "\u2026" }, name));
    log.replaceChildren(...nodes);
    log.hidden = nodes.length === 0;
    if (atEnd) log.scrollTop = log.scrollHeight;
  }

  function draw() {
    const busy = model.get("busy");
    const [question, response] = model.get("exemplar");
    exemplar.element.hidden = response === undefined;
    updateText(exemplar.question, question ?? "");
    updateText(exemplar.response, response ?? "");
    drawLog();
    if (!busy) isStopping = false;
    setEnabled(ask, !busy);
    setEnabled(restart, !busy);
    setEnabled(copy, model.get("turns").length > 0);
    stop.hidden = !busy;
    setEnabled(stop, !isStopping);
    root.setAttribute("aria-busy", busy);
    updateText(status, busy ? (isStopping ? "Stopping\u2026" : "Responding\u2026") : "");
    updateText(problem, busy ? "" : model.get("problem"));
    problem.hidden = !problem.textContent;
  }

  async function copyTranscript() {
    try {
      await navigator.clipboard.writeText(model.get("transcript"));
      updateText(status, "Copied.");
    } catch {
      code.hidden = false;
      code.value = model.get("transcript");
      code.select();
      updateText(status, "Copy the text below.");
    }
  }

  onPress(ask, send, signal);
  onPress(copy, copyTranscript, signal);
  onPress(restart, () => { code.hidden = true; model.send({ do: "restart" }); }, signal);
  onPress(stop, () => { isStopping = true; model.send({ do: "stop" }); draw(); }, signal);
  typed.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      send();
    }
  }, { signal });
  // The notebook's shortcuts must not take the keys that the panel uses.
  root.addEventListener("keydown", (event) => {
    const isCombined = event.ctrlKey || event.metaKey;
    if (event.key !== "Tab" && !isCombined) event.stopPropagation();
  }, { signal });
  // A question that failed is put back, to be asked again.
  model.on("change:problem", () => {
    if (model.get("problem") && !typed.value) typed.value = model.get("question");
    draw();
  });
  for (const trait of ["turns", "partial", "busy", "question", "exemplar"]) model.on(`change:${trait}`, draw);
  draw();
  el.append(root);
}

export default { render };
