// One card a persona: its name, description, weight, nearest records and preview.

import { node, quotedText, setEnabled } from "../shared/elements.js";
import { percent } from "../shared/simplex.js";

export const plainButton = (label = "", className = "") => node("button", { type: "button", class: className }, label);
export const problemLine = () => node("p", { class: "mop-problem", role: "alert", hidden: "" });

/** Show a text, or hide the element if there is none. */
export function showText(element, text = "") {
  if (element.textContent !== text) element.textContent = text;
  element.hidden = !text;
}

/** Set a field's text unless the user is typing another one there. */
export function fillField(field, text) {
  const isTyping = field.getRootNode().activeElement === field && field.value !== field.shownText;
  if (isTyping && field.value !== text) return;
  if (field.value !== text) field.value = text;
  field.shownText = field.value;
}

function recordItem({ context, response, cosine }) {
  const details = cosine === undefined ? context : `${cosine.toFixed(2)} \u00b7 ${context}`;
  return node("li", {}, quotedText("span", "mop-response", response), quotedText("span", "mop-context", details));
}

function fillList(list, records) {
  const text = JSON.stringify(records);
  if (list.shownText === text) return;
  list.shownText = text;
  list.replaceChildren(...records.map(recordItem));
}

export function buildCard() {
  const card = {
    name: node("input", { class: "mop-name", dir: "auto", spellcheck: "false" }),
    nameProblem: problemLine(),
    share: node("span", { class: "mop-share" }),
    bar: node("i"),
    description: node("textarea", { class: "mop-description", dir: "auto", rows: 3 }),
    descriptionProblem: problemLine(),
    nearest: node("ul"),
    preview: plainButton("", "mop-preview"),
    responses: node("ul"),
    previewProblem: problemLine(),
    split: plainButton("Split"),
    merge: plainButton(),
    remove: plainButton("Delete", "mop-delete"),
    cardProblem: problemLine(),
  };
  card.nearestSection = node("div", { class: "mop-section" },
    node("div", { class: "mop-heading" }, "Nearest real records"), card.nearest);
  card.element = node("div", { class: "mop-card", role: "group" },
    node("div", { class: "mop-top" }, card.name, card.share), card.nameProblem,
    node("div", { class: "mop-bar", "aria-hidden": "true" }, card.bar),
    card.description, card.descriptionProblem, card.nearestSection,
    node("div", { class: "mop-section" }, card.preview, card.responses, card.previewProblem),
    node("div", { class: "mop-actions" }, card.split, card.merge, card.remove), card.cardProblem);
  return card;
}

function drawField(field, problem, text, draft) {
  fillField(field, draft ? draft.text : text);
  field.setAttribute("aria-invalid", Boolean(draft));
  showText(problem, draft?.problem);
}

function drawPreview(card, name, preview, isRequested) {
  const isBusy = preview.busy || isRequested;
  const hasResponses = preview.responses.length > 0;
  card.preview.textContent = isBusy ? "Generating\u2026" : hasResponses ? "Preview two more" : "Preview responses";
  card.preview.setAttribute("aria-label", `${card.preview.textContent}: ${name}`);
  setEnabled(card.preview, !isBusy);
  card.element.classList.toggle("mop-busy", isBusy);
  card.responses.setAttribute("aria-label", `Responses of ${name}`);
  card.responses.hidden = !hasResponses;
  fillList(card.responses, preview.responses);
  showText(card.previewProblem, isBusy ? "" : preview.problem);
}

/** Draw a persona on its card; `isRequested`: a preview is requested and has not begun. */
export function drawCard(card, persona, state, { fitted, colour, isRequested }) {
  const { name, description } = persona;
  card.element.setAttribute("aria-label", name);
  card.element.style.setProperty("--mop-colour", colour);
  card.name.setAttribute("aria-label", `Name of ${name}`);
  card.description.setAttribute("aria-label", `Description of ${name}`);
  drawField(card.name, card.nameProblem, name, state.drafts.name);
  drawField(card.description, card.descriptionProblem, description, state.drafts.description);
  const kind = fitted ? "learned" : persona.weight === null ? "by default" : "stated";
  card.share.textContent = `${percent(state.share)} ${kind}`;
  card.bar.style.width = percent(state.share);
  fillList(card.nearest, state.nearest);
  card.nearestSection.hidden = state.nearest.length === 0;
  card.split.setAttribute("aria-label", `Split ${name}`);
  card.remove.setAttribute("aria-label", `Delete ${name}`);
  drawPreview(card, name, state.preview, isRequested);
  showText(card.cardProblem, state.drafts.card?.problem);
}

/** Draw the merge button; `first` is the name of the persona to merge with, once it is chosen. */
export function drawMerge(card, name, { first, isFirst, canMerge }) {
  const isChoosing = first !== null;
  const isOther = isChoosing && !isFirst;
  const label = isOther ? `Merge with ${first}` : isFirst ? "Cancel merge" : "Merge";
  card.merge.textContent = label;
  card.merge.setAttribute("aria-label", isOther ? `Merge ${first} with ${name}` : isFirst ? label : `Merge ${name} with another`);
  card.merge.classList.toggle("mop-main", isOther);
  card.element.classList.toggle("mop-merging", isFirst);
  card.split.hidden = card.remove.hidden = isChoosing;
  for (const action of [card.merge, card.remove]) setEnabled(action, canMerge);
}

export function buildForm() {
  const form = {
    name: node("input", { class: "mop-name", "aria-label": "Name of the new persona", placeholder: "Name", dir: "auto" }),
    description: node("textarea", { class: "mop-description", "aria-label": "Description of the new persona", placeholder: "You are \u2026", rows: 3, dir: "auto" }),
    problem: problemLine(),
    add: plainButton("Add", "mop-main"),
    cancel: plainButton("Cancel"),
  };
  form.element = node("div", { class: "mop-card mop-new", role: "group", "aria-label": "New persona", hidden: "" },
    node("div", { class: "mop-top" }, form.name), form.description, form.problem,
    node("div", { class: "mop-actions" }, form.add, form.cancel));
  return form;
}
