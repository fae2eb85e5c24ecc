// The traits (personas and, by position, cards) are the truth: each view is drawn from model.get.
// A view asks for an edit by a message; Python makes it, or says at the card why it cannot.
// What is being typed, the merge under way and where the focus goes next are the screen's own.

const percent = (share) => `${(100 * share).toFixed(1)}%`;
const quoted = (name) => `\u201c${name}\u201d`;

function node(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

const button = (kind = "") => node("button", { type: "button", class: kind });
const problem = () => node("p", { class: "mop-problem", role: "alert", hidden: "" });

function say(element, text = "") {
  if (element.textContent !== text) element.textContent = text;
  element.hidden = !text;
}

/** Put `text` into a field unless something else is being typed there. */
function fill(field, text) {
  const typing = field.getRootNode().activeElement === field && field.value !== field.shown;
  if (typing && field.value !== text) return;
  if (field.value !== text) field.value = text;
  field.shown = field.value;
}

function quote({ context, response, cosine }) {
  const made = node("li", {}, node("span", { class: "mop-said", dir: "auto" }, response));
  const told = cosine === undefined ? context : `${cosine.toFixed(2)} \u00b7 ${context}`;
  made.append(node("span", { class: "mop-told", dir: "auto" }, told));
  return made;
}

function fillList(list, quotes) {
  const text = JSON.stringify(quotes);
  if (list.shown === text) return;
  list.shown = text;
  list.replaceChildren(...quotes.map(quote));
}

function buildCard() {
  const card = {
    name: node("input", { class: "mop-name", dir: "auto", spellcheck: "false" }),
    nameProblem: problem(),
    share: node("span", { class: "mop-share" }),
    bar: node("i"),
    text: node("textarea", { class: "mop-text", dir: "auto", rows: 3 }),
    textProblem: problem(),
    near: node("ul"),
    hear: button("mop-hear"),
    heard: node("ul"),
    hearProblem: problem(),
    split: button(),
    merge: button(),
    remove: button("mop-delete"),
    cardProblem: problem(),
  };
  card.nearPart = node("div", { class: "mop-part" },
    node("div", { class: "mop-head" }, "Nearest real records"), card.near);
  card.element = node("div", { class: "mop-card", role: "group" },
    node("div", { class: "mop-top" }, card.name, card.share), card.nameProblem,
    node("div", { class: "mop-bar", "aria-hidden": "true" }, card.bar),
    card.text, card.textProblem, card.nearPart,
    node("div", { class: "mop-part" }, card.hear, card.heard, card.hearProblem),
    node("div", { class: "mop-feet" }, card.split, card.merge, card.remove), card.cardProblem);
  card.split.textContent = "Split";
  card.remove.textContent = "Delete";
  return card;
}

function drawField(field, told, text, draft) {
  fill(field, draft ? draft.text : text);
  field.setAttribute("aria-invalid", Boolean(draft));
  say(told, draft?.problem);
}

function drawSound(card, name, sound, asked) {
  const busy = sound.busy || asked;
  const again = sound.responses.length > 0;
  card.hear.textContent = busy ? "Listening\u2026" : again ? "Hear two more" : "Hear what it sounds like";
  card.hear.setAttribute("aria-label", `${card.hear.textContent}: ${name}`);
  card.hear.setAttribute("aria-disabled", busy);
  card.element.classList.toggle("mop-busy", busy);
  card.heard.setAttribute("aria-label", `${name} sounds like`);
  card.heard.hidden = !again;
  fillList(card.heard, sound.responses);
  say(card.hearProblem, busy ? "" : sound.problem);
}

function drawCard(card, persona, state, { fitted, colour, asked }) {
  const { name, description } = persona;
  card.element.setAttribute("aria-label", name);
  card.element.style.setProperty("--mop-colour", colour);
  card.name.setAttribute("aria-label", `Name of ${name}`);
  card.text.setAttribute("aria-label", `Text of ${name}`);
  drawField(card.name, card.nameProblem, name, state.drafts.name);
  drawField(card.text, card.textProblem, description, state.drafts.description);
  const kind = fitted ? "learned" : persona.weight === null ? "by default" : "stated";
  card.share.textContent = `${percent(state.share)} ${kind}`;
  card.bar.style.width = percent(state.share);
  fillList(card.near, state.nearest);
  card.nearPart.hidden = state.nearest.length === 0;
  card.split.setAttribute("aria-label", `Split ${name}`);
  card.remove.setAttribute("aria-label", `Delete ${name}`);
  drawSound(card, name, state.sound, asked);
  say(card.cardProblem, state.drafts.card?.problem);
}

function buildForm() {
  const form = {
    name: node("input", { class: "mop-name", "aria-label": "Name of the new persona", placeholder: "Name", dir: "auto" }),
    text: node("textarea", { class: "mop-text", "aria-label": "Text of the new persona", placeholder: "You are \u2026", rows: 3, dir: "auto" }),
    told: problem(),
    add: button("mop-main"),
    cancel: button(),
  };
  form.add.textContent = "Add";
  form.cancel.textContent = "Cancel";
  form.element = node("div", { class: "mop-card mop-new", role: "group", "aria-label": "New persona", hidden: "" },
    node("div", { class: "mop-top" }, form.name), form.text, form.told,
    node("div", { class: "mop-feet" }, form.add, form.cancel));
  return form;
}

function buildTools() {
  const labels = { add: "Add persona", undo: "Undo", redo: "Redo", copy: "Copy as cell" };
  return Object.fromEntries(Object.entries(labels).map(([name, label]) => {
    const made = button();
    made.textContent = label;
    return [name, made];
  }));
}

function render({ model, el, signal }) {
  const tools = buildTools();
  const form = buildForm();
  const state = button("mop-state");
  state.textContent = "State the learned weights";
  const notice = node("span", { role: "status" });
  const noticeRow = node("div", { class: "mop-notice" }, notice, state);
  const told = node("span", { class: "mop-live", role: "status" });
  const code = node("textarea", { class: "mop-code", readonly: "", hidden: "", rows: 6, "aria-label": "The cell" });
  const note = node("p", { class: "mop-note" });
  const grid = node("div", { class: "mop-cards" }, form.element);
  const root = node("div", { class: "mop-personas", role: "group", "aria-label": "Personas" },
    node("div", { class: "mop-tools" }, ...Object.values(tools), told), noticeRow, code, grid, note);
  const cards = [];
  const asked = new Map();
  let merging = null;
  let focusNext = null;

  const send = (message) => model.send(message);
  const name = (i) => model.get("personas")[i]?.name ?? "";
  const on = (target, type, listener) => target.addEventListener(type, listener, { signal });
  const press = (target, act) => on(target, "click", () => {
    if (target.getAttribute("aria-disabled") !== "true") act();
  });

  function edit(message, focus, saying) {
    merging = null;
    focusNext = focus;
    told.textContent = saying;
    send(message);
    draw();
  }

  function merge(i) {
    if (merging !== null && merging !== i) {
      const first = merging;
      const at = first - (i < first);
      edit({ do: "merge", at: first, other: i }, { at, part: "name" }, `Merged ${quoted(name(first))} and ${quoted(name(i))}.`);
      return;
    }
    merging = merging === null ? i : null;
    told.textContent = merging === null ? "" : `Choose the persona to merge with ${quoted(name(i))}.`;
    draw();
  }

  function hear(i) {
    asked.set(i, JSON.stringify(model.get("cards")[i].sound));
    send({ do: "sound", at: i });
    draw();
  }

  function bindField(field, part, i) {
    on(field, "change", () => send({ do: part, at: i, text: field.value }));
    on(field, "keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
        field.blur();
        field.focus();
      } else if (event.key === "Escape") {
        const { name: was, description } = model.get("personas")[i];
        field.value = part === "name" ? was : description;
        send({ do: part, at: i, text: field.value });
      }
    });
  }

  function bindCard(card, i) {
    bindField(card.name, "name", i);
    bindField(card.text, "description", i);
    press(card.hear, () => hear(i));
    press(card.split, () => edit({ do: "split", at: i }, { at: i, part: "name" }, `Split ${quoted(name(i))} in two.`));
    press(card.merge, () => merge(i));
    press(card.remove, () => {
      const at = Math.min(i, model.get("personas").length - 2);
      edit({ do: "delete", at: i }, { at, part: "remove" }, `Deleted ${quoted(name(i))}.`);
    });
  }

  function openForm(open) {
    form.element.hidden = !open;
    tools.add.setAttribute("aria-expanded", open);
    if (open) form.name.focus();
  }

  function closeForm() {
    for (const field of [form.name, form.text]) field.value = "";
    say(form.told);
    openForm(false);
    tools.add.focus();
  }

  async function copy() {
    const cell = model.get("cell");
    try {
      await navigator.clipboard.writeText(cell);
      told.textContent = "Copied: paste it into a cell.";
    } catch {
      code.hidden = false;
      code.value = cell;
      code.select();
      told.textContent = "Copy the cell from here.";
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

  function drawMerge(card, i, n) {
    const other = merging !== null && merging !== i;
    card.merge.textContent = merging === null ? "Merge" : other ? `Merge with ${name(merging)}` : "Cancel merge";
    card.merge.setAttribute("aria-label", merging === null ? `Merge ${name(i)} with another` : other ? `Merge ${name(merging)} with ${name(i)}` : "Cancel merge");
    card.merge.classList.toggle("mop-main", other);
    card.element.classList.toggle("mop-merging", merging === i);
    card.split.hidden = card.remove.hidden = merging !== null;
    for (const alone of [card.merge, card.remove]) alone.setAttribute("aria-disabled", n < 2);
  }

  function draw() {
    const personas = model.get("personas");
    const states = model.get("cards");
    if (states.length !== personas.length) return;
    const colours = model.get("colours");
    const fitted = model.get("fitted");
    resize(personas.length);
    cards.forEach((card, i) => {
      if (asked.has(i) && asked.get(i) !== JSON.stringify(states[i].sound)) asked.delete(i);
      const colour = colours[i % colours.length];
      drawCard(card, personas[i], states[i], { fitted, colour, asked: asked.has(i) });
      drawMerge(card, i, personas.length);
    });
    tools.undo.setAttribute("aria-disabled", !model.get("can_undo"));
    tools.redo.setAttribute("aria-disabled", !model.get("can_redo"));
    tools.copy.setAttribute("aria-disabled", !personas.length);
    say(notice, model.get("notice"));
    noticeRow.hidden = !model.get("notice");
    state.hidden = !fitted;
    say(note, model.get("nearest_note"));
  }

  function changed() {
    if (model.get("personas").length !== cards.length) {
      asked.clear();
      merging = null;
    }
    code.hidden = true;
    draw();
    const { at, part } = focusNext ?? {};
    focusNext = null;
    if (at === "new") closeForm();
    else cards[at]?.[part].focus();
  }

  function drawForm() {
    const { name: called, description, problem: why } = model.get("adding");
    say(form.told, why);
    if (!why) return;
    focusNext = null;
    fill(form.name, called);
    fill(form.text, description);
    if (form.element.hidden) openForm(true);
  }

  press(tools.add, () => openForm(form.element.hidden));
  press(tools.undo, () => edit({ do: "undo" }, null, "Undone."));
  press(tools.redo, () => edit({ do: "redo" }, null, "Done again."));
  press(tools.copy, copy);
  press(state, () => edit({ do: "state" }, null, "The personas state the learned weights now."));
  press(form.add, () => {
    focusNext = { at: "new" };
    send({ do: "add", name: form.name.value, description: form.text.value });
  });
  press(form.cancel, closeForm);
  // The notebook's own shortcuts must not take the keys that work the panel.
  on(root, "keydown", (event) => {
    if (event.key === "Escape" && merging !== null) merge(merging);
    if (event.key === "Escape" && form.element.contains(event.target)) closeForm();
    const combined = (event.ctrlKey || event.metaKey) && event.key !== "Enter";
    if (event.key !== "Tab" && !combined) event.stopPropagation();
  });

  model.on("change:personas", changed);
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
  send({ do: "look" });
}

export default { render };
