import assert from "node:assert/strict";
import test from "node:test";

import { codeOf, nextName } from "../../../../jupyter_mop/notebook/widgets/static/shared/code.js";

test("copied code makes a result of a new name", () => {
  assert.deepEqual(["sky", "sky_2", "sky_19", "a_b", ""].map(nextName), ["sky_2", "sky_3", "sky_20", "a_b_2", "_2"]);
  assert.equal(codeOf("sky", ["a", "b"], [0.25, 0.75]), "%mop_reweight sky --weights a=0.25,b=0.75 --as sky_2");
  assert.equal(codeOf("the sky", ["a b"], [1]), '%mop_reweight "the sky" --weights "a b=1" --as "the sky_2"');
  assert.equal(codeOf("a,b", ["c"], [1]), 'study.reweight("a,b", {"c": 1}, kept_as="a,b_2")');
});
