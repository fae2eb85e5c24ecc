// The chosen question: for each option the share at the sliders, at the start, and people's own.

import { node, quotedText, updateText } from "../shared/elements.js";
import { percent } from "../shared/simplex.js";

const KEYS = [
  ["mop-now", "at these weights"], ["mop-start", "at the start"], ["mop-people", "people, 95 % interval"],
];

/** A chooser with a label; its options are texts. */
export function buildChooser(label, texts, onChoose, signal) {
  const choice = node("select", { "aria-label": label }, ...texts.map((text, i) => node("option", { value: i }, text)));
  choice.addEventListener("change", () => onChoose(Number(choice.value)), { signal });
  return { element: node("label", { class: "mop-chooser" }, node("span", {}, label), choice), choice };
}

function buildOption(option, people, start, a) {
  const now = node("i", { class: "mop-now" });
  const share = node("span", { class: "mop-number" });
  const marks = [node("i", { class: "mop-start" })];
  marks[0].style.setProperty("--at", start[a]);
  let known = "";
  if (people.shares) {
    const [interval, tick] = [node("i", { class: "mop-interval" }), node("i", { class: "mop-people" })];
    interval.style.setProperty("--at", people.low[a]);
    interval.style.setProperty("--to", people.high[a]);
    tick.style.setProperty("--at", people.shares[a]);
    marks.push(interval, tick);
    known = `${percent(people.shares[a])} (${percent(people.low[a])} to ${percent(people.high[a])})`;
  }
  const element = node("div", { class: "mop-option" }, quotedText("span", "mop-name", option),
    node("div", { class: "mop-bars", "aria-hidden": "true" }, now, ...marks), share,
    node("span", { class: "mop-known" }, known));
  function draw(value) {
    now.style.setProperty("--at", value);
    updateText(share, percent(value));
  }
  return { element, draw };
}

/** What is said below the options: the distance from people beside that at the start and its floor. */
function distanceText({ tv, startTv, people, minPeople }) {
  if (!people.shares) {
    return people.n === 0 ? "Nobody of this group answered this question: there is nothing to compare with."
      : `${people.n} of this group answered this question: too few to compare with (at least ${minPeople}).`;
  }
  return `TV to people ${tv.toFixed(3)}, at the start ${startTv.toFixed(3)}; floor ${people.floor.toFixed(3)} (chance alone, ${people.n.toLocaleString("en")} people).`;
}

/** The card of one question; `show` builds it for another question or group, `draw` moves its bars. */
export function buildQuestionCard(choosers) {
  const text = node("h4", { dir: "auto" });
  const options = node("div", { class: "mop-options" });
  const note = node("p", { class: "mop-distance", role: "status" });
  const legend = node("div", { class: "mop-keys", "aria-hidden": "true" },
    ...KEYS.map(([key, label]) => node("span", {}, node("i", { class: key }), label)));
  const element = node("section", { class: "mop-card", "aria-label": "Chosen question" },
    node("div", { class: "mop-choosers" }, ...choosers), text, legend, options, note);
  let rows = [];

  function show(question, start, people) {
    text.textContent = question.text;
    rows = question.options.map((option, a) => buildOption(option, people, start, a));
    options.replaceChildren(...rows.map((row) => row.element));
    legend.lastChild.hidden = !people.shares;
  }

  function draw(shares, facts) {
    rows.forEach((row, a) => row.draw(shares[a]));
    updateText(note, distanceText(facts));
  }

  return { element, show, draw };
}
