import assert from "node:assert/strict";
import test from "node:test";

import { humanFloor } from "../../../../jupyter_mop/notebook/widgets/static/metrics/human_floor.js";
import { near, sharedCases } from "./tools.mjs";

const { floors, expected } = sharedCases().floors;

for (const { size, floors: values } of expected) {
  test(`as in Python: ${size} effective responses`, () => {
    for (const [name, value] of Object.entries(values)) near([humanFloor(floors[name], size)], [value], 1e-9);
  });
}

test("an unknown floor is no number", () => {
  for (const floor of [undefined, null, { c0: null, c1: 0, c2: 0, scale: null }]) assert.ok(Number.isNaN(humanFloor(floor, 10)));
});
