// Eigenvalues and eigenvectors of a small symmetric matrix: Householder tridiagonalisation, then
// QL steps with implicit shifts (Golub and Van Loan, Matrix Computations, chapter 8).

const MAX_ITERATIONS = 60;

/** Replace rows i and i + 1 by their rotation. */
function rotate(rows, n, i, cosine, sine) {
  const above = i * n;
  const below = above + n;
  for (let j = 0; j < n; j += 1) {
    const old = rows[below + j];
    rows[below + j] = sine * rows[above + j] + cosine * old;
    rows[above + j] = cosine * rows[above + j] - sine * old;
  }
}

/** The reflection that zeroes column k below its first subdiagonal entry. */
function reflection(matrix, n, k, vector) {
  let square = 0;
  for (let i = k + 1; i < n; i += 1) {
    vector[i] = matrix[i * n + k];
    square += vector[i] * vector[i];
  }
  const first = vector[k + 1];
  const end = first > 0 ? -Math.sqrt(square) : Math.sqrt(square);
  vector[k + 1] -= end;
  return { end, half: square - first * end };
}

/** Apply a reflection to the matrix from both sides: subtract v w' + w v'. */
function reflect(matrix, n, k, v, half, w) {
  let inner = 0;
  for (let i = k + 1; i < n; i += 1) {
    w[i] = 0;
    for (let j = k + 1; j < n; j += 1) w[i] += matrix[i * n + j] * v[j];
    w[i] /= half;
    inner += v[i] * w[i];
  }
  for (let i = k + 1; i < n; i += 1) w[i] -= (inner / (2 * half)) * v[i];
  for (let i = k + 1; i < n; i += 1) {
    for (let j = k + 1; j < n; j += 1) matrix[i * n + j] -= v[i] * w[j] + w[i] * v[j];
  }
}

/** Apply a reflection to the rows of the eigenvectors. */
function reflectRows(rows, n, k, v, half, w) {
  w.fill(0);
  for (let i = k + 1; i < n; i += 1) {
    for (let j = 0; j < n; j += 1) w[j] += v[i] * rows[i * n + j];
  }
  for (let i = k + 1; i < n; i += 1) {
    for (let j = 0; j < n; j += 1) rows[i * n + j] -= (v[i] / half) * w[j];
  }
}

/** Tridiagonalise: the diagonal, the subdiagonal and the transformation. */
function tridiagonalise(symmetric, n) {
  const matrix = Float64Array.from(symmetric);
  const vectors = new Float64Array(n * n);
  const subdiagonal = new Float64Array(n);
  const [v, w] = [new Float64Array(n), new Float64Array(n)];
  for (let i = 0; i < n; i += 1) vectors[i * n + i] = 1;
  for (let k = 0; k + 1 < n; k += 1) {
    const { end, half } = reflection(matrix, n, k, v);
    subdiagonal[k] = end;
    if (half <= 0) continue;
    reflect(matrix, n, k, v, half, w);
    reflectRows(vectors, n, k, v, half, w);
  }
  const values = Float64Array.from({ length: n }, (_, i) => matrix[i * n + i]);
  return { values, subdiagonal, vectors };
}

/** One QL step with implicit shift between rows `first` and `last`. */
function qlStep(values, subdiagonal, vectors, first, last) {
  const n = values.length;
  const slope = (values[first + 1] - values[first]) / (2 * subdiagonal[first]);
  const root = Math.sqrt(slope * slope + 1);
  let bulge = values[last] - values[first] + subdiagonal[first] / (slope + (slope < 0 ? -root : root));
  let [sine, cosine, shift] = [1, 1, 0];
  for (let i = last - 1; i >= first; i -= 1) {
    const chased = sine * subdiagonal[i];
    const next = cosine * subdiagonal[i];
    const length = Math.sqrt(chased * chased + bulge * bulge);
    subdiagonal[i + 1] = length;
    [sine, cosine] = length > 0 ? [chased / length, bulge / length] : [0, 1];
    const shifted = values[i + 1] - shift;
    const factor = (values[i] - shifted) * sine + 2 * cosine * next;
    shift = sine * factor;
    values[i + 1] = shifted + shift;
    bulge = cosine * factor - next;
    rotate(vectors, n, i, cosine, sine);
  }
  values[first] -= shift;
  subdiagonal[first] = bulge;
  subdiagonal[last] = 0;
}

/** Unordered eigenvalues and eigenvectors (as rows) of a row-major symmetric n x n matrix. */
export function eigen(symmetric, n) {
  const { values, subdiagonal, vectors } = tridiagonalise(symmetric, n);
  const size = values.reduce((largest, value, i) => Math.max(largest, Math.abs(value), Math.abs(subdiagonal[i])), 0);
  const tolerance = Number.EPSILON * size;
  for (let first = 0; first < n; first += 1) {
    for (let iteration = 0; iteration < MAX_ITERATIONS; iteration += 1) {
      let last = first;
      while (last + 1 < n && Math.abs(subdiagonal[last]) > tolerance) last += 1;
      if (last === first) break;
      qlStep(values, subdiagonal, vectors, first, last);
    }
  }
  return { values, vectors };
}
