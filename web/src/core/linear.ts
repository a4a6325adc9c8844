/** Small dense linear algebra, in doubles. 3 x 3 matrices are nine numbers, row by row. */

export function multiply3(a: Float64Array, b: Float64Array): Float64Array {
  const result = new Float64Array(9);
  for (let i = 0; i < 3; i++)
    for (let j = 0; j < 3; j++)
      for (let k = 0; k < 3; k++) result[3 * i + j] += a[3 * i + k] * b[3 * k + j];
  return result;
}

export function transpose3(m: Float64Array): Float64Array {
  return Float64Array.of(m[0], m[3], m[6], m[1], m[4], m[7], m[2], m[5], m[8]);
}

export function inverse3(m: Float64Array): Float64Array {
  const at = (i: number, j: number) => m[3 * (i % 3) + (j % 3)];
  const cofactor = (i: number, j: number) => at(i + 1, j + 1) * at(i + 2, j + 2) - at(i + 1, j + 2) * at(i + 2, j + 1);
  const determinant = m[0] * cofactor(0, 0) + m[1] * cofactor(0, 1) + m[2] * cofactor(0, 2);
  return Float64Array.from({ length: 9 }, (_, k) => cofactor(k % 3, Math.floor(k / 3)) / determinant);
}

/** Mean and covariance (divided by N - 1) of (N, 3) numbers. */
export function covariance(values: Float32Array): { mean: Float64Array; matrix: Float64Array } {
  const count = values.length / 3;
  const mean = new Float64Array(3);
  for (let k = 0; k < values.length; k++) mean[k % 3] += values[k];
  for (let c = 0; c < 3; c++) mean[c] /= count;
  const matrix = new Float64Array(9);
  for (let n = 0; n < count; n++) {
    for (let i = 0; i < 3; i++) {
      const x = values[3 * n + i] - mean[i];
      for (let j = i; j < 3; j++) matrix[3 * i + j] += x * (values[3 * n + j] - mean[j]);
    }
  }
  for (let i = 0; i < 3; i++)
    for (let j = i; j < 3; j++) {
      matrix[3 * i + j] /= count - 1;
      matrix[3 * j + i] = matrix[3 * i + j];
    }
  return { mean, matrix };
}

export function eigh3(m: Float64Array): { values: Float64Array; vectors: Float64Array } {
  return eigh(m, 3);
}

/** Eigenvalues and eigenvectors (columns) of a symmetric matrix: cyclic Jacobi rotations. */
export function eigh(matrix: Float64Array, size: number): { values: Float64Array; vectors: Float64Array } {
  const a = matrix.slice();
  const v = new Float64Array(size * size);
  for (let k = 0; k < size; k++) v[k * size + k] = 1;
  for (let sweep = 0; sweep < 60; sweep++) {
    let off = 0;
    let all = 0;
    for (let i = 0; i < size; i++) for (let j = 0; j < size; j++) {
      all += a[i * size + j] ** 2;
      if (i !== j) off += a[i * size + j] ** 2;
    }
    if (off <= 1e-30 * all) break;
    for (let p = 0; p < size - 1; p++) for (let q = p + 1; q < size; q++) rotate(a, v, size, p, q);
  }
  return { values: Float64Array.from({ length: size }, (_, k) => a[k * size + k]), vectors: v };
}

function rotate(a: Float64Array, v: Float64Array, size: number, p: number, q: number): void {
  const apq = a[p * size + q];
  if (apq === 0) return;
  const theta = (a[q * size + q] - a[p * size + p]) / (2 * apq);
  const t = Math.sign(theta || 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
  const c = 1 / Math.sqrt(t * t + 1);
  const s = t * c;
  for (let k = 0; k < size; k++) {
    const [x, y] = [a[k * size + p], a[k * size + q]];
    a[k * size + p] = c * x - s * y;
    a[k * size + q] = s * x + c * y;
  }
  for (let k = 0; k < size; k++) {
    const [x, y] = [a[p * size + k], a[q * size + k]];
    a[p * size + k] = c * x - s * y;
    a[q * size + k] = s * x + c * y;
    const [left, right] = [v[k * size + p], v[k * size + q]];
    v[k * size + p] = c * left - s * right;
    v[k * size + q] = s * left + c * right;
  }
}

/** Solve a symmetric positive definite system for several right sides (Cholesky), in place. */
export function solve(matrix: Float64Array, size: number, right: Float64Array, columns: number): Float64Array {
  const l = matrix.slice();
  for (let j = 0; j < size; j++) {
    for (let k = 0; k < j; k++) {
      const factor = l[j * size + k];
      if (factor) for (let i = j; i < size; i++) l[i * size + j] -= l[i * size + k] * factor;
    }
    const root = Math.sqrt(l[j * size + j]);
    for (let i = j; i < size; i++) l[i * size + j] /= root;
  }
  const x = right.slice();
  for (let i = 0; i < size; i++) for (let c = 0; c < columns; c++) {
    let sum = x[i * columns + c];
    for (let k = 0; k < i; k++) sum -= l[i * size + k] * x[k * columns + c];
    x[i * columns + c] = sum / l[i * size + i];
  }
  for (let i = size - 1; i >= 0; i--) for (let c = 0; c < columns; c++) {
    let sum = x[i * columns + c];
    for (let k = i + 1; k < size; k++) sum -= l[k * size + i] * x[k * columns + c];
    x[i * columns + c] = sum / l[i * size + i];
  }
  return x;
}
