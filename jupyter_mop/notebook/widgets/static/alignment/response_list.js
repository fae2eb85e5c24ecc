// Reading: search, a list of responses, and one response with its persona, context and prompt.

import { button, node, quotedText, truncate, updateText } from "../shared/elements.js";

const MAX_LISTED = 60;
const SEARCH_DELAY = 150;
const POINTER_HELP = "Click a point to read it, drag on the map to list an area, drag with Shift to move it. ";

export function buildItem({ points, names, colours }, i) {
  const isReal = i < points.nReal;
  const item = node("button", { type: "button", class: "mop-item", "data-point": i, title: "Read this response" },
    node("i", { class: "mop-swatch" }));
  if (!isReal) item.style.setProperty("--mop-colour", colours[points.persona[i]]);
  item.append(quotedText("span", "mop-response", truncate(points.response(i), 240)));
  item.append(quotedText("span", "mop-source", isReal ? "real" : truncate(names[points.persona[i]], 40)));
  return item;
}

/** Call `action` with the point of a clicked item; one listener serves items added later too. */
export function onItemClick(list, action, signal) {
  list.addEventListener("click", (event) => {
    const item = event.target.closest(".mop-item");
    if (item) action(Number(item.dataset.point));
  }, { signal });
}

function details({ points, names }, i) {
  const { context, exemplar, prompt } = points.details(i);
  const source = i < points.nReal ? "a real person" : names[points.persona[i]];
  return [["source", source], ["context", context], ["exemplar", exemplar], ["prompt", prompt]]
    .filter(([, text]) => text !== null && text !== undefined && text !== "");
}

export function buildReader(data, actions, signal) {
  const { points } = data;
  const search = node("input", { type: "search", placeholder: "Search the responses", "aria-label": "Search the responses" });
  const heading = node("div", { class: "mop-heading", role: "status" });
  const clear = button("Clear", "Clear the selection", () => actions.choose(null), signal);
  const list = node("div", { class: "mop-list" });
  const card = node("article", { class: "mop-pinned", "aria-label": "Response", tabindex: -1, hidden: "" });
  const element = node("section", { class: "mop-card mop-reader", "aria-label": "Responses" },
    node("h4", {}, "Responses"), node("div", { class: "mop-tools" }, search, clear), heading, card, list);
  const firstOfEach = points.groups.filter((group) => group.length).map((group) => group[0]);
  const close = button("\u00d7", "Close", () => actions.pin(-1), signal);
  close.className = "mop-close";
  close.setAttribute("aria-label", "Close the response");
  onItemClick(list, actions.pin, signal);
  let timer = 0;
  search.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      const query = search.value;
      actions.choose(query.trim() ? { indices: points.search(query), about: "match" } : null, search);
    }, SEARCH_DELAY);
  }, { signal });

  const reader = {
    element,
    /** List the selected responses; the search field is cleared unless it made the selection. */
    show(selection, source) {
      if (source !== search) search.value = "";
      const indices = selection?.indices ?? firstOfEach;
      clear.hidden = !selection;
      const limit = indices.length > MAX_LISTED ? `; the first ${MAX_LISTED} are listed` : "";
      updateText(heading, selection ? `${indices.length.toLocaleString("en")} of ${points.length.toLocaleString("en")} responses ${selection.about}${limit}`
        : `${data.statistics.answers ? "" : POINTER_HELP}One response of each persona:`);
      list.replaceChildren(...indices.slice(0, MAX_LISTED).map((i) => buildItem(data, i)));
    },
    /** Show one response with its details; -1 closes it. */
    pin(i, takesFocus) {
      card.hidden = i < 0;
      if (i < 0) return card.replaceChildren();
      const rows = details(data, i).flatMap(([label, text]) => [node("dt", {}, label), quotedText("dd", "", text)]);
      card.dataset.point = i;
      card.replaceChildren(close, quotedText("blockquote", "", points.response(i)), node("dl", {}, ...rows));
      card.scrollTop = 0;
      if (takesFocus) card.focus({ preventScroll: true });
    },
  };
  reader.show(null);
  return reader;
}
