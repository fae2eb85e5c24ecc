// Reading: search, lists of responses, and one response with all that led to it.

import { button, cut, node, quote, say } from "../shared/elements.js";

const SHOWN = 60;
const PATIENCE = 150;

export function buildItem({ points, names, colours }, i) {
  const real = i < points.real;
  const made = node("button", { type: "button", class: "mop-item", "data-point": i, title: "Read this response" },
    node("i", { class: "mop-swatch" }));
  if (!real) made.style.setProperty("--mop-colour", colours[points.persona[i]]);
  made.append(quote("span", "mop-words", cut(points.response(i), 240)));
  made.append(quote("span", "mop-who", real ? "real" : cut(names[points.persona[i]], 40)));
  return made;
}

/** Items come and go: their list listens for all of them. */
export function listen(list, onClick, signal) {
  list.addEventListener("click", (event) => {
    const item = event.target.closest(".mop-item");
    if (item) onClick(Number(item.dataset.point));
  }, { signal });
}

function facts({ points, names }, i) {
  const { context, exemplar, prompt } = points.read(i);
  const who = i < points.real ? "a real person" : names[points.persona[i]];
  return [["said by", who], ["asked", context], ["shown as example", exemplar], ["prompt", prompt]]
    .filter(([, text]) => text !== null && text !== undefined && text !== "");
}

export function buildReader(data, on, signal) {
  const { points } = data;
  const search = node("input", { type: "search", placeholder: "Search the responses", "aria-label": "Search the responses" });
  const heading = node("div", { class: "mop-found", role: "status" });
  const clear = button("Clear", "Show all responses again", () => on.choose(null), signal);
  const list = node("div", { class: "mop-list" });
  const card = node("article", { class: "mop-pinned", "aria-label": "Response", tabindex: -1, hidden: "" });
  const element = node("section", { class: "mop-card mop-reader", "aria-label": "Responses" },
    node("h4", {}, "Responses"), node("div", { class: "mop-tools" }, search, clear), heading, card, list);
  const first = points.groups.filter((group) => group.length).map((group) => group[0]);
  const close = button("\u00d7", "Close", () => on.pin(-1), signal);
  close.className = "mop-close";
  close.setAttribute("aria-label", "Close the response");
  listen(list, on.pin, signal);
  let timer = 0;
  search.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      const words = search.value;
      on.choose(words.trim() ? { indices: points.search(words), about: "match" } : null, search);
    }, PATIENCE);
  }, { signal });

  const reader = {
    element,
    /** List these responses; the search box is emptied unless the wish came from it. */
    show(choice, source) {
      if (source !== search) search.value = "";
      const indices = choice?.indices ?? first;
      clear.hidden = !choice;
      const more = indices.length > SHOWN ? `; the first ${SHOWN} are listed` : "";
      say(heading, choice ? `${indices.length.toLocaleString("en")} of ${points.length.toLocaleString("en")} responses ${choice.about}${more}`
        : "Click a dot to read it, drag over the map to list an area. One response of each persona:");
      list.replaceChildren(...indices.slice(0, SHOWN).map((i) => buildItem(data, i)));
    },
    pin(i, focus) {
      card.hidden = i < 0;
      if (i < 0) return card.replaceChildren();
      const rows = facts(data, i).flatMap(([what, text]) => [node("dt", {}, what), quote("dd", "", text)]);
      card.dataset.point = i;
      card.replaceChildren(close, quote("blockquote", "", points.response(i)), node("dl", {}, ...rows));
      card.scrollTop = 0;
      if (focus) card.focus({ preventScroll: true });
    },
  };
  reader.show(null);
  return reader;
}
