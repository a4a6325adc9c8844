/**
 * Planes of numbers brought to another size, as OpenCV (area, linear, cubic, blur) and Pillow
 * (Lanczos) do it: these are what the command uses.
 */

import { roundHalfToEven } from "./safetensors";

/** (height, width) numbers, row by row. */
export interface Plane {
  height: number;
  width: number;
  data: Float32Array;
}

/** (height, width) px. */
export type Size = [number, number];

export function newPlane(height: number, width: number): Plane {
  return { height, width, data: new Float32Array(height * width) };
}

/** Of each result pixel: the first source pixel it takes, and the weight of that and those after. */
export interface Taps {
  first: Int32Array;
  weights: Float32Array[];
}

/** OpenCV's INTER_AREA along one side, for reductions. */
export function areaTaps(source: number, target: number): Taps {
  const scale = source / target;
  const first = new Int32Array(target);
  const weights: Float32Array[] = [];
  for (let place = 0; place < target; place++) {
    const begin = place * scale;
    const end = begin + scale;
    const cell = Math.min(scale, source - begin);
    const last = Math.min(Math.floor(end), source - 1);
    const start = Math.min(Math.ceil(begin), last);
    const taps: number[] = [];
    first[place] = start;
    if (start - begin > 1e-3) {
      first[place] = start - 1;
      taps.push((start - begin) / cell);
    }
    for (let at = start; at < last; at++) taps.push(1 / cell);
    if (end - last > 1e-3) taps.push(Math.min(Math.min(end - last, 1), cell) / cell);
    weights.push(Float32Array.from(taps));
  }
  return { first, weights };
}

/** Pillow's LANCZOS along one side. */
function lanczosTaps(source: number, target: number): Taps {
  const scale = source / target;
  const stretch = Math.max(scale, 1);
  const support = 3 * stretch;
  const first = new Int32Array(target);
  const weights: Float32Array[] = [];
  for (let place = 0; place < target; place++) {
    const centre = (place + 0.5) * scale;
    const start = Math.max(0, Math.trunc(centre - support + 0.5));
    const stop = Math.min(source, Math.trunc(centre + support + 0.5));
    const taps = Float64Array.from({ length: stop - start }, (_, k) => lanczos((k + start - centre + 0.5) / stretch));
    const sum = taps.reduce((total, weight) => total + weight, 0);
    first[place] = start;
    weights.push(Float32Array.from(taps, (weight) => weight / sum));
  }
  return { first, weights };
}

function lanczos(x: number): number {
  if (x <= -3 || x >= 3) return 0;
  return sinc(x) * sinc(x / 3);
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

/** OpenCV's INTER_LINEAR along one side: index below, index above, share of the one above. */
export function linearTaps(source: number, target: number): { low: Int32Array; high: Int32Array; share: Float32Array } {
  const low = new Int32Array(target);
  const high = new Int32Array(target);
  const share = new Float32Array(target);
  for (let place = 0; place < target; place++) {
    const at = (place + 0.5) * (source / target) - 0.5;
    const below = Math.floor(at);
    low[place] = Math.min(Math.max(below, 0), source - 1);
    high[place] = Math.min(low[place] + 1, source - 1);
    share[place] = below < 0 || below >= source - 1 ? 0 : at - below;
  }
  return { low, high, share };
}

/** OpenCV's INTER_CUBIC along one side: four indices and weights of each result pixel. */
export function cubicTaps(source: number, target: number): { index: Int32Array; weight: Float32Array } {
  const index = new Int32Array(4 * target);
  const weight = new Float32Array(4 * target);
  const a = -0.75;
  for (let place = 0; place < target; place++) {
    const at = (place + 0.5) * (source / target) - 0.5;
    const below = Math.floor(at);
    const x = at - below;
    const w0 = ((a * (x + 1) - 5 * a) * (x + 1) + 8 * a) * (x + 1) - 4 * a;
    const w1 = ((a + 2) * x - (a + 3)) * x * x + 1;
    const w2 = ((a + 2) * (1 - x) - (a + 3)) * (1 - x) * (1 - x) + 1;
    weight.set([w0, w1, w2, 1 - w0 - w1 - w2], 4 * place);
    for (let k = 0; k < 4; k++) index[4 * place + k] = Math.min(Math.max(below - 1 + k, 0), source - 1);
  }
  return { index, weight };
}

/** A plane resampled along both sides by weights of its pixels, across first. */
function resample(plane: Plane, down: Taps, across: Taps): Plane {
  const height = down.first.length;
  const width = across.first.length;
  const wide = newPlane(plane.height, width);
  for (let y = 0; y < plane.height; y++) {
    const row = y * plane.width;
    for (let x = 0; x < width; x++) {
      const taps = across.weights[x];
      const from = row + across.first[x];
      let sum = 0;
      for (let k = 0; k < taps.length; k++) sum += taps[k] * plane.data[from + k];
      wide.data[y * width + x] = sum;
    }
  }
  const result = newPlane(height, width);
  const sums = new Float64Array(width);
  for (let y = 0; y < height; y++) {
    sums.fill(0);
    const taps = down.weights[y];
    for (let k = 0; k < taps.length; k++) {
      const from = (down.first[y] + k) * width;
      for (let x = 0; x < width; x++) sums[x] += taps[k] * wide.data[from + x];
    }
    result.data.set(sums, y * width);
  }
  return result;
}

/** A plane brought down to `size` by the mean over areas. */
export function reduceByArea(plane: Plane, [height, width]: Size): Plane {
  if (plane.height === height && plane.width === width) return plane;
  return resample(plane, areaTaps(plane.height, height), areaTaps(plane.width, width));
}

/** By halves down to three times `size` at most (rendering._halved). */
export function halved(plane: Plane, [height, width]: Size): Plane {
  while (Math.min(plane.height / height, plane.width / width) >= 3) {
    plane = half(plane);
  }
  return plane;
}

function half(plane: Plane): Plane {
  const { height, width, data } = plane;
  const size: Size = [Math.ceil(height / 2), Math.ceil(width / 2)];
  if (height % 2 || width % 2) return reduceByArea(plane, size);
  const result = newPlane(...size);
  for (let y = 0, to = 0; y < size[0]; y++) {
    for (let x = 0, from = 2 * y * width; x < size[1]; x++, from += 2) {
      result.data[to++] = (data[from] + data[from + 1] + data[from + width] + data[from + width + 1]) / 4;
    }
  }
  return result;
}

/** The mean over 3 x 3, edges mirrored with the edge itself (BORDER_REFLECT). */
export function blur(plane: Plane): Plane {
  const { height, width, data } = plane;
  const result = newPlane(height, width);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      let sum = 0;
      for (let dy = -1; dy <= 1; dy++) {
        const row = Math.min(Math.max(y + dy, 0), height - 1) * width;
        for (let dx = -1; dx <= 1; dx++) sum += data[row + Math.min(Math.max(x + dx, 0), width - 1)];
      }
      result.data[y * width + x] = sum / 9;
    }
  }
  return result;
}

/** 8-bit planes brought to `size` with Lanczos, antialiased (pictures.resizing.resize); 8-bit values. */
export function resizePlane(plane: Plane, size: Size): Plane {
  if (plane.height === size[0] && plane.width === size[1]) return plane;
  const reduced = boxReduced(plane, size);
  const result = resample(reduced, lanczosTaps(reduced.height, size[0]), lanczosTaps(reduced.width, size[1]));
  for (let k = 0; k < result.data.length; k++) {
    result.data[k] = Math.min(255, Math.max(0, roundHalfToEven(result.data[k])));
  }
  return result;
}

/** Shrunk by about a whole factor per side, still three times the size asked for; rounded to 8 bits. */
function boxReduced(plane: Plane, [height, width]: Size): Plane {
  const down = Math.max(1, Math.floor(plane.height / (height * 3)));
  const across = Math.max(1, Math.floor(plane.width / (width * 3)));
  if (down === 1 && across === 1) return plane;
  const size: Size = [Math.ceil(plane.height / down), Math.ceil(plane.width / across)];
  const result = reduceByArea(plane, size);
  const exact = 2 * size[0] === plane.height && 2 * size[1] === plane.width;
  for (let k = 0; k < result.data.length; k++) {
    // OpenCV's mean of 2 x 2 rounds halves up, all else to even.
    result.data[k] = exact ? Math.floor(result.data[k] + 0.5) : roundHalfToEven(result.data[k]);
  }
  return result;
}

/** (height, width) after bringing the short side to `shortSide`. */
export function sizeForShortSide(height: number, width: number, shortSide: number): Size {
  const scale = shortSide / Math.min(height, width);
  return [
    Math.max(1, roundHalfToEven(height * scale)),
    Math.max(1, roundHalfToEven(width * scale)),
  ];
}
