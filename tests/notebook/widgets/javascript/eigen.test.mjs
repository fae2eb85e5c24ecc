import assert from "node:assert/strict";
import test from "node:test";

import { eigen } from "../../../../jupyter_mop/notebook/widgets/static/metrics/eigen.js";
import { near, seeded } from "./tools.mjs";

/** A symmetric matrix of this rank with eigenvalues over many orders of magnitude. */
function symmetric(random, n, rank) {
  const matrix = new Float64Array(n * n);
  for (let t = 0; t < rank; t += 1) {
    const vector = Array.from({ length: n }, (_, i) => (random() - 0.5) * Math.exp(-0.3 * i));
    const sign = t % 3 ? 1 : -1;
    for (let at = 0; at < n * n; at += 1) matrix[at] += sign * vector[Math.floor(at / n)] * vector[at % n];
  }
  return matrix;
}

const product = (n, entry) => Float64Array.from({ length: n * n }, (_, at) => {
  let total = 0;
  for (let t = 0; t < n; t += 1) total += entry(Math.floor(at / n), at % n, t);
  return total;
});

test("values and vectors reproduce the matrix, and the vectors are orthonormal", () => {
  const random = seeded(3);
  for (const [n, rank] of [[1, 1], [2, 2], [2, 1], [3, 3], [7, 7], [32, 32], [32, 4], [32, 0]]) {
    const matrix = symmetric(random, n, rank);
    const { values, vectors } = eigen(matrix, n);
    near(product(n, (i, j, t) => values[t] * vectors[t * n + i] * vectors[t * n + j]), matrix, 1e-14);
    const identity = product(n, (i, j, t) => (t === i && t === j ? 1 : 0));
    near(product(n, (i, j, t) => vectors[i * n + t] * vectors[j * n + t]), identity, 1e-13);
    assert.equal(values.filter((value) => Math.abs(value) > 1e-14).length, rank);
  }
});

test("known eigenvalues", () => {
  const sorted = (matrix, n) => [...eigen(matrix, n).values].sort((a, b) => a - b);
  near(sorted([2, 1, 1, 2], 2), [1, 3], 1e-14);
  near(sorted([3, 0, 0, 0, 1, 0, 0, 0, 2], 3), [1, 2, 3], 1e-14);
  near(sorted([2, -1, 0, -1, 2, -1, 0, -1, 2], 3), [2 - Math.SQRT2, 2, 2 + Math.SQRT2], 1e-14);
  near(sorted([5, 0, 0, 5], 2), [5, 5], 1e-14);
});

test("the matrix is not changed", () => {
  const matrix = [2, 1, 1, 2];
  eigen(matrix, 2);
  assert.deepEqual(matrix, [2, 1, 1, 2]);
});
