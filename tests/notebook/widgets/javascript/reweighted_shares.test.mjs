import assert from "node:assert/strict";
import test from "node:test";

import {
  cellWeights, distance, overallShares, pairShares, peoplePair, peopleShares, questionShares,
} from "../../../../jupyter_mop/notebook/widgets/static/metrics/reweighted_shares.js";
import { worstFirst } from "../../../../jupyter_mop/notebook/widgets/static/survey/question_list.js";
import { overallNote } from "../../../../jupyter_mop/notebook/widgets/static/survey/survey.js";
import { near, sharedCases } from "./tools.mjs";

const { surveys } = sharedCases();

for (const { name, data, weights, overall, groups, pairs } of surveys) {
  test(`as in Python: ${name}`, () => {
    near(overallShares(data, cellWeights(data, weights)), overall);
    groups.forEach(({ shares, distances }, group) => {
      const found = questionShares(data, weights, group);
      shares.forEach((expected, q) => {
        near(found[q], expected);
        const people = peopleShares(data, q, group);
        const gap = distance(found[q], people.shares);
        if (distances[q] === null) assert.ok(Number.isNaN(gap) && people.n < 8);
        else near([gap], [distances[q]]);
      });
    });
    for (const { questions: [first, second], shares, people } of pairs) {
      near(pairShares(data, weights, first, second), shares);
      near(peoplePair(data, first, second).shares, people);
    }
  });
}

test("at the class sizes each cell keeps its weights", () => {
  const { data } = surveys[1];
  near(cellWeights(data, data.class_sizes), data.base);
});

test("a cell whose personas are all off keeps its weights", () => {
  const data = { sizes: [0.5, 0.5], base: [1, 0, 0.5, 0.5], class_sizes: [0.75, 0.25] };
  near(cellWeights(data, [0, 1]), [1, 0, 0, 1]);
});

test("the worst question comes first, those without people last", () => {
  assert.deepEqual(worstFirst([0.1, NaN, 0.3, 0.2, NaN]), [2, 3, 0, 1, 4]);
});

test("what the weights come to is said only where the sliders cannot be reached", () => {
  const [, two] = surveys;
  for (const weights of [two.data.class_sizes, two.weights]) {
    assert.equal(overallNote(two.data, ["a", "b", "c"], weights), "");
  }
  const alone = { sizes: [0.5, 0.5], base: [1, 0, 0.5, 0.5], class_sizes: [0.75, 0.25] };
  assert.match(overallNote(alone, ["a", "b"], [0, 1]), /come to: a 50\.0%, b 50\.0%/);
});
