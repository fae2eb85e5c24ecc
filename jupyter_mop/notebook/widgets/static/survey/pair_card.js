// How the answers to two questions go together: the two-way table at the sliders, beside people's.

import { node, quotedText, updateText } from "../shared/elements.js";
import { percent } from "../shared/simplex.js";
import { buildChooser } from "./question_card.js";

function buildCell(people, at) {
  const share = node("span", { class: "mop-number" });
  const known = people.shares ? [node("span", { class: "mop-known" }, percent(people.shares[at]))] : [];
  return { element: node("td", {}, share, ...known), share };
}

/** The card of two questions; `show` builds it for another pair, `draw` changes its numbers. */
export function buildPairCard(questions, choose, signal) {
  const chooser = buildChooser("Together with", questions.map(({ name }) => name), choose, signal);
  const head = node("tr");
  const body = node("tbody");
  const table = node("table", {}, node("thead", {}, head), body);
  const note = node("p", { class: "mop-distance", role: "status" });
  const legend = node("p", { class: "mop-hint" });
  const element = node("section", { class: "mop-card", "aria-label": "Two questions" },
    node("h3", {}, "Two questions"), node("div", { class: "mop-choosers" }, chooser.element), legend,
    node("div", { class: "mop-pair", tabindex: 0, role: "group", "aria-label": "Two-way table" }, table), note);
  element.hidden = questions.length < 2;
  let cells = [];

  function show(first, second, people) {
    const [one, two] = [questions[first], questions[second]];
    chooser.choice.value = second;
    Array.from(chooser.choice.options).forEach((option, q) => { option.hidden = option.disabled = q === first; });
    legend.textContent = `Everyone. Rows: ${one.name}; columns: ${two.name}.${people.shares ? " People's own share is below each." : ""}`;
    cells = one.options.flatMap((_, a) => two.options.map((__, b) => buildCell(people, a * two.options.length + b)));
    head.replaceChildren(node("td"), ...two.options.map((option) => {
      const name = quotedText("th", "mop-name", option);
      name.scope = "col";
      return name;
    }));
    body.replaceChildren(...one.options.map((option, a) => {
      const name = quotedText("th", "mop-name", option);
      name.scope = "row";
      return node("tr", {}, name, ...two.options.map((_, b) => cells[a * two.options.length + b].element));
    }));
  }

  function draw(shares, { people, tv, startTv, minPeople }) {
    const most = Math.max(...shares);
    cells.forEach(({ element: cell, share }, i) => {
      updateText(share, percent(shares[i]));
      cell.style.setProperty("--at", shares[i] / most);
    });
    updateText(note, people.shares
      ? `TV to people ${tv.toFixed(3)}, at the start ${startTv.toFixed(3)}; floor ${people.floor.toFixed(3)} (chance alone, ${people.n.toLocaleString("en")} people who answered both).`
      : `${people.n} people answered both questions: too few to compare with (at least ${minPeople}).`);
  }

  return { element, show, draw };
}
