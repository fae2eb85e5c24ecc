// All questions with their distance from people: those that were worst at the start come first.

import { node, onPress, quotedText, updateAttribute, updateText } from "../shared/elements.js";

/** The order of the questions: the largest distance first, those without one last. */
export function worstFirst(distances) {
  const rank = (q) => (Number.isNaN(distances[q]) ? -1 : distances[q]);
  return distances.map((_, q) => q).sort((a, b) => rank(b) - rank(a) || a - b);
}

function buildQuestion(question, { people, startTv, limit }, onChoose, signal) {
  const value = node("span", { class: "mop-number" });
  const bar = node("i", { class: "mop-now" });
  const marks = [];
  if (people.shares) {
    const [start, floor] = [node("i", { class: "mop-start" }), node("i", { class: "mop-people" })];
    start.style.setProperty("--at", startTv / limit);
    floor.style.setProperty("--at", people.floor / limit);
    marks.push(bar, start, floor);
  }
  const element = node("button", { type: "button", class: "mop-question", title: question.text },
    quotedText("span", "mop-name", question.name),
    node("span", { class: "mop-bars", "aria-hidden": "true" }, ...marks), value);
  onPress(element, onChoose, signal);
  function draw(tv, isChosen) {
    updateAttribute(element, "aria-pressed", isChosen);
    updateText(value, people.shares ? tv.toFixed(3) : "too few");
    if (people.shares) bar.style.setProperty("--at", tv / limit);
  }
  return { element, draw };
}

/** The list of all questions; `show` builds it for a group, `draw` moves its bars. */
export function buildQuestionList(questions, choose, signal) {
  const list = node("div", { class: "mop-questions" });
  const element = node("section", { class: "mop-card", "aria-label": "All questions" },
    node("h3", {}, "All questions"),
    node("p", { class: "mop-hint" }, "Total variation to people, worst at the start first."),
    node("div", { class: "mop-keys", "aria-hidden": "true" },
      node("span", {}, node("i", { class: "mop-now" }), "at these weights"),
      node("span", {}, node("i", { class: "mop-start" }), "at the start"),
      node("span", {}, node("i", { class: "mop-people" }), "floor")), list);
  let rows = [];

  function show(facts) {
    rows = questions.map((question, q) => buildQuestion(question, facts[q], () => choose(q), signal));
    list.replaceChildren(...worstFirst(facts.map(({ startTv }) => startTv)).map((q) => rows[q].element));
  }

  function draw(distances, chosen) {
    rows.forEach((row, q) => row.draw(distances[q], q === chosen));
  }

  return { element, show, draw };
}
