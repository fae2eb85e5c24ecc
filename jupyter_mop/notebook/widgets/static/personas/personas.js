// The persona panel. The traits (personas and, by position, cards) are the truth: each view is
// drawn from model.get. A view requests an edit by a message; Python makes it, or puts the reason
// why not on the card. Typed text, a merge in progress and the next focus exist in the view only.

import { node, onPress, panel, setEnabled } from "../shared/elements.js";
import { buildCard, buildForm, drawCard, drawMerge, fillField, plainButton, showText } from "./card.js";

const quoted = (name) => `\u201c${name}\u201d`;

function buildTools() {
  const labels = { add: "Add persona", undo: "Undo", redo: "Redo", copy: "Copy as cell" };
  return Object.fromEntries(Object.entries(labels).map(([name, label]) => [name, plainButton(label)]));
}

function render({ model, el, signal }) {
  const tools = buildTools();
  const form = buildForm();
  const stateWeights = plainButton("State the learned weights");
  const notice = node("span", { role: "status" });
  const noticeRow = node("div", { class: "mop-notice" }, notice, stateWeights);
  const message = node("span", { class: "mop-message", role: "status" });
  const code = node("textarea", { class: "mop-code", readonly: "", hidden: "", rows: 6, "aria-label": "The cell" });
  const note = node("p", { class: "mop-note" });
  const grid = node("div", { class: "mop-cards" }, form.element);
  const root = panel("mop-personas", "Personas",
    node("div", { class: "mop-tools" }, ...Object.values(tools), message), noticeRow, code, grid, note);
  const cards = [];
  const requested = new Map();
  let merging = null;
  let focusNext = null;

  const send = (request) => model.send(request);
  const nameOf = (i) => model.get("personas")[i]?.name ?? "";
  const on = (target, type, listener) => target.addEventListener(type, listener, { signal });
  const onClick = (target, action) => onPress(target, action, signal);

  function edit(request, focus, text) {
    merging = null;
    focusNext = focus;
    message.textContent = text;
    send(request);
    draw();
  }

  function merge(i) {
    if (merging !== null && merging !== i) {
      const first = merging;
      const at = first - (i < first);
      edit({ do: "merge", at: first, other: i }, { at, part: "name" }, `Merged ${quoted(nameOf(first))} and ${quoted(nameOf(i))}.`);
      return;
    }
    merging = merging === null ? i : null;
    message.textContent = merging === null ? "" : `Choose the persona to merge with ${quoted(nameOf(i))}.`;
    draw();
  }

  function preview(i) {
    requested.set(i, JSON.stringify(model.get("cards")[i].preview));
    send({ do: "preview", at: i });
    draw();
  }

  function bindField(field, part, i) {
    on(field, "change", () => send({ do: part, at: i, text: field.value }));
    on(field, "keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
        field.blur();
        field.focus();
      } else if (event.key === "Escape") {
        field.value = model.get("personas")[i][part];
        send({ do: part, at: i, text: field.value });
      }
    });
  }

  function bindCard(card, i) {
    bindField(card.name, "name", i);
    bindField(card.description, "description", i);
    onClick(card.preview, () => preview(i));
    onClick(card.split, () => edit({ do: "split", at: i }, { at: i, part: "name" }, `Split ${quoted(nameOf(i))} in two.`));
    onClick(card.merge, () => merge(i));
    onClick(card.remove, () => {
      const at = Math.min(i, model.get("personas").length - 2);
      edit({ do: "delete", at: i }, { at, part: "remove" }, `Deleted ${quoted(nameOf(i))}.`);
    });
  }

  function openForm(isOpen) {
    form.element.hidden = !isOpen;
    tools.add.setAttribute("aria-expanded", isOpen);
    if (isOpen) form.name.focus();
  }

  function closeForm() {
    for (const field of [form.name, form.description]) field.value = "";
    showText(form.problem);
    openForm(false);
    tools.add.focus();
  }

  async function copy() {
    const cell = model.get("cell");
    try {
      await navigator.clipboard.writeText(cell);
      message.textContent = "Copied. Paste it into a cell.";
    } catch {
      code.hidden = false;
      code.value = cell;
      code.select();
      message.textContent = "Copy the cell below.";
    }
  }

  function resize(n) {
    while (cards.length > n) cards.pop().element.remove();
    while (cards.length < n) {
      const card = buildCard();
      bindCard(card, cards.length);
      form.element.before(card.element);
      cards.push(card);
    }
  }

  function draw() {
    const personas = model.get("personas");
    const states = model.get("cards");
    if (states.length !== personas.length) return;
    const colours = model.get("colours");
    const fitted = model.get("fitted");
    resize(personas.length);
    cards.forEach((card, i) => {
      if (requested.has(i) && requested.get(i) !== JSON.stringify(states[i].preview)) requested.delete(i);
      const colour = colours[i];
      drawCard(card, personas[i], states[i], { fitted, colour, isRequested: requested.has(i) });
      const first = merging === null ? null : nameOf(merging);
      drawMerge(card, nameOf(i), { first, isFirst: merging === i, canMerge: personas.length > 1 });
    });
    setEnabled(tools.undo, model.get("can_undo"));
    setEnabled(tools.redo, model.get("can_redo"));
    setEnabled(tools.copy, personas.length > 0);
    showText(notice, model.get("notice"));
    noticeRow.hidden = !model.get("notice");
    stateWeights.hidden = !fitted;
    showText(note, model.get("nearest_note"));
  }

  function onPersonasChanged() {
    if (model.get("personas").length !== cards.length) {
      requested.clear();
      merging = null;
    }
    code.hidden = true;
    draw();
    const { at, part } = focusNext ?? {};
    focusNext = null;
    if (at === "new") {
      closeForm();
      cards.at(-1)?.element.scrollIntoView({ block: "nearest" });
      cards.at(-1)?.name.focus({ preventScroll: true });
    } else cards[at]?.[part].focus();
  }

  function drawForm() {
    const { name, description, problem } = model.get("adding");
    showText(form.problem, problem);
    if (!problem) return;
    focusNext = null;
    fillField(form.name, name);
    fillField(form.description, description);
    if (form.element.hidden) openForm(true);
  }

  onClick(tools.add, () => openForm(form.element.hidden));
  onClick(tools.undo, () => edit({ do: "undo" }, null, "Undone."));
  onClick(tools.redo, () => edit({ do: "redo" }, null, "Redone."));
  onClick(tools.copy, copy);
  onClick(stateWeights, () => edit({ do: "state" }, null, "The learned weights are now stated."));
  onClick(form.add, () => {
    focusNext = { at: "new" };
    send({ do: "add", name: form.name.value, description: form.description.value });
  });
  onClick(form.cancel, closeForm);
  // The notebook's shortcuts must not take the keys that the panel uses.
  on(root, "keydown", (event) => {
    if (event.key === "Escape" && merging !== null) merge(merging);
    if (event.key === "Escape" && form.element.contains(event.target)) closeForm();
    const isCombined = (event.ctrlKey || event.metaKey) && event.key !== "Enter";
    if (event.key !== "Tab" && !isCombined) event.stopPropagation();
  });

  model.on("change:personas", onPersonasChanged);
  model.on("change:cards", () => {
    draw();
    queueMicrotask(() => { focusNext = null; });
  });
  for (const trait of ["fitted", "notice", "nearest_note", "can_undo", "can_redo"]) {
    model.on(`change:${trait}`, draw);
  }
  model.on("change:adding", drawForm);
  draw();
  drawForm();
  el.append(root);
  if (!cards.length) openForm(true);
  send({ do: "find_nearest" });
}

export default { render };
