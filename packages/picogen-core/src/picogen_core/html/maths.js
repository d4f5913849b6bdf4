// Vectors in float32; sums in double precision.

const sigmoid = (x) => 1 / (1 + Math.exp(-x));
const silu = (x) => x * sigmoid(x);

// [rows] = matrix [rows, columns] · x [columns], from row `first` on.
function product(matrix, x, rows, columns, first = 0) {
  const made = new Float32Array(rows), even = columns & ~3;
  for (let i = 0, at = first * columns; i < rows; i++, at += columns) {
    let a = 0, b = 0, c = 0, d = 0;
    for (let j = 0; j < even; j += 4) {
      a += matrix[at + j] * x[j];
      b += matrix[at + j + 1] * x[j + 1];
      c += matrix[at + j + 2] * x[j + 2];
      d += matrix[at + j + 3] * x[j + 3];
    }
    for (let j = even; j < columns; j++) a += matrix[at + j] * x[j];
    made[i] = a + b + c + d;
  }
  return made;
}
// [columns] = x [rows] · matrix [rows, columns].
function spread(matrix, x, rows, columns) {
  const made = new Float64Array(columns);
  for (let i = 0, at = 0; i < rows; i++, at += columns) {
    const by = x[i];
    for (let j = 0; j < columns; j++) made[j] += by * matrix[at + j];
  }
  return Float32Array.from(made);
}
function add(x, y) {
  for (let i = 0; i < x.length; i++) x[i] += y[i];
  return x;
}
// In groups of `size` channels, each to mean 0 and variance 1.
function layerNorm(x, weight, bias, epsilon = 1e-5, size = x.length) {
  const made = new Float32Array(x.length);
  for (let from = 0; from < x.length; from += size) {
    let mean = 0, variance = 0;
    for (let i = from; i < from + size; i++) mean += x[i];
    mean /= size;
    for (let i = from; i < from + size; i++) variance += (x[i] - mean) ** 2;
    const scale = 1 / Math.sqrt(variance / size + epsilon);
    for (let i = from; i < from + size; i++) made[i] = (x[i] - mean) * scale * weight[i] + bias[i];
  }
  return made;
}
// RMSNorm, Zhang and Sennrich 2019, arXiv:1910.07467; the weights repeat every `size` channels.
function rmsNorm(x, weight, epsilon, size = x.length) {
  const made = new Float32Array(x.length);
  for (let from = 0; from < x.length; from += size) {
    let square = 0;
    for (let i = from; i < from + size; i++) square += x[i] ** 2;
    const scale = 1 / Math.sqrt(square / size + epsilon);
    for (let i = from; i < from + size; i++) made[i] = x[i] * scale * weight[i - from];
  }
  return made;
}
// Softmax attention of one head to rows of keys and values; `empty` is the score of a pair that
// says nothing, null where there is none.
function weigh(keys, values, query, at, from, head, out, empty) {
  const scores = new Float64Array(keys.length), scale = 1 / Math.sqrt(head);
  let top = empty === null ? -Infinity : empty;
  for (let t = 0; t < keys.length; t++) {
    const key = keys[t];
    let sum = 0;
    for (let i = 0; i < head; i++) sum += query[at + i] * key[from + i];
    scores[t] = sum * scale;
    if (scores[t] > top) top = scores[t];
  }
  let total = empty === null ? 0 : Math.exp(empty - top);
  for (let t = 0; t < keys.length; t++) total += scores[t] = Math.exp(scores[t] - top);
  for (let t = 0; t < keys.length; t++) {
    const share = scores[t] / total, value = values[t];
    for (let i = 0; i < head; i++) out[at + i] += share * value[from + i];
  }
}
