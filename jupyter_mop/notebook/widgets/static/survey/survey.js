// The survey panel: persona weights move the shares of all questions. The traits are the truth;
// the chosen question and group, undo and the current gesture exist in the browser only.

import { decodeArrays } from "../shared/arrays.js";
import { node, panel, updateText } from "../shared/elements.js";
import { buildPersonas, weightActions } from "../shared/persona_rows.js";
import { percent } from "../shared/simplex.js";
import { buildWeightTools, immovableNote, keepKeys, mixerOf } from "../shared/weight_tools.js";
import { cellWeights, distance, overallShares, pairShares, peoplePair, peopleShares, questionShares } from "../metrics/reweighted_shares.js";
import { buildPairCard } from "./pair_card.js";
import { buildChooser, buildQuestionCard } from "./question_card.js";
import { buildQuestionList, worstFirst } from "./question_list.js";

const VISIBLE_GAP = 0.005;

/** What overall shares the weights come to, where no weights reach those of the sliders. */
export function overallNote(data, names, weights) {
  const found = overallShares(data, cellWeights(data, weights));
  if (found.every((share, k) => Math.abs(share - weights[k]) < VISIBLE_GAP)) return "";
  const parts = names.map((name, k) => `${name} ${percent(found[k])}`);
  return `Contexts keep their shares, so over all respondents these weights come to: ${parts.join(", ")}.`;
}

/** People's shares, and the distances at the start, of every question in a group. */
function factsOf(data, start, group) {
  const began = questionShares(data, start, group);
  const people = data.questions.map((_, q) => peopleShares(data, q, group));
  const alone = start.map((_, k) => k).filter((k) => data.class_sizes[k] > 0)
    .map((k) => questionShares(data, start.map((__, l) => (l === k ? 1 : 0)), group));
  const reached = [began, ...alone].flatMap((found) => found.map((shares, q) => distance(shares, people[q].shares)));
  const limit = Math.max(0.05, ...[...reached, ...people.map(({ floor }) => floor)].filter(Number.isFinite));
  return began.map((shares, q) => ({
    start: shares, people: people[q], startTv: distance(shares, people[q].shares), limit,
  }));
}

export default () => {
  let data;
  let mixer;

  function render({ model, el, signal }) {
    data ??= decodeArrays(model.get("shares"));
    const names = model.get("names");
    const undrawn = Array.from(data.class_sizes, (size) => !(size > 0));
    mixer ??= mixerOf(model, undrawn);
    const settle = () => {};
    const { questions, groups } = data;
    const start = model.get("start");
    let group = 0;
    let facts = factsOf(data, start, group);
    let [chosen, second] = worstFirst(facts.map(({ startTv }) => startTv));
    let pair = null;

    const asked = buildChooser("Question", questions.map(({ name }) => name), chooseQuestion, signal);
    const grouped = buildChooser("Group", groups.map(([column, value]) => (column ? `${column}: ${value}` : value)), chooseGroup, signal);
    const tools = buildWeightTools(model, mixer, settle, signal);
    const personas = buildPersonas({ names, colours: model.get("colours"), undrawn }, [], weightActions(mixer, settle), signal);
    const card = buildQuestionCard([asked.element, grouped.element]);
    const list = buildQuestionList(questions, chooseQuestion, signal);
    const together = buildPairCard(questions, choosePair, signal);
    const immovable = node("p", { role: "status" });
    const overall = node("p", { class: "mop-overall", role: "status", dir: "auto" });
    personas.element.append(overall);
    const root = panel("mop-survey", "Survey panel",
      node("div", { class: "mop-tools" }, ...tools.elements), tools.owner,
      node("div", { class: "mop-notes" }, ...model.get("notes").map((note) => node("p", { dir: "auto" }, note)), immovable),
      node("div", { class: "mop-body" }, personas.element, card.element, list.element, together.element));
    keepKeys(root, signal);

    function chooseQuestion(q) {
      if (q === second) second = chosen;
      chosen = q;
      show();
      draw();
    }

    function chooseGroup(g) {
      group = g;
      facts = factsOf(data, start, group);
      list.show(facts);
      show();
      draw();
    }

    function choosePair(q) {
      second = q;
      showPair();
      draw();
    }

    function showPair() {
      if (questions.length < 2) return;
      const people = peoplePair(data, chosen, second);
      const startTv = distance(pairShares(data, start, chosen, second), people.shares);
      pair = { people, startTv, minPeople: data.min_people };
      together.show(chosen, second, people);
    }

    function show() {
      asked.choice.value = chosen;
      card.show(questions[chosen], facts[chosen].start, facts[chosen].people);
      showPair();
    }

    function draw() {
      const state = mixer.read();
      const { weights } = state;
      const held = mixer.held();
      const scene = {
        weights, locked: state.locked, learned: model.get("learned"), mixer: state, held, metrics: [],
        canSpread: held.filter((hold) => !hold).length > 1,
      };
      tools.draw(scene);
      personas.draw(scene);
      updateText(immovable, immovableNote({ names, undrawn }, model.get("locked"), state.muted));
      updateText(overall, overallNote(data, names, weights));
      const shares = questionShares(data, weights, group);
      const distances = shares.map((found, q) => distance(found, facts[q].people.shares));
      card.draw(shares[chosen], { ...facts[chosen], tv: distances[chosen], minPeople: data.min_people });
      list.draw(distances, chosen);
      if (!pair) return;
      const both = pairShares(data, weights, chosen, second);
      together.draw(both, { ...pair, tv: distance(both, pair.people.shares) });
    }

    let frame = 0;
    const redraw = () => {
      frame ||= requestAnimationFrame(() => {
        frame = 0;
        draw();
      });
    };
    for (const trait of ["weights", "learned", "locked", "muted", "is_owner"]) model.on(`change:${trait}`, redraw);
    list.show(facts);
    show();
    draw();
    el.append(root);
  }

  return { render };
};
