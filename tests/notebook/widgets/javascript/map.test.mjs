import assert from "node:assert/strict";
import { test } from "node:test";

import { WHOLE, panned, zoomed } from "../../../../jupyter_mop/notebook/widgets/static/alignment/map.js";

test("zooming keeps the point under the pointer in place", () => {
  const view = zoomed(zoomed(WHOLE, 2, 0.25, 0.75), 3, 0.6, 0.1);
  assert.equal(view.zoom, 6);
  const before = zoomed(WHOLE, 2, 0.25, 0.75);
  assert.ok(Math.abs(before.x + 0.6 / 2 - (view.x + 0.6 / 6)) < 1e-12);
});

test("the view never leaves the map", () => {
  assert.deepEqual(zoomed(WHOLE, 0.5, 0.5, 0.5), WHOLE);
  const corner = panned(zoomed(WHOLE, 4, 1, 1), -9, -9);
  assert.deepEqual([corner.x, corner.y], [0.75, 0.75]);
  assert.deepEqual(zoomed(corner, 1e-9, 0, 0), WHOLE);
  assert.ok(zoomed(WHOLE, 1e9, 0.5, 0.5).zoom <= 32);
});
