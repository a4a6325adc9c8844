/** The LUT of a style, estimated from its pictures; mirrors instant.colour_estimation. */

import type { Backend } from "../backend";
import type { Lut } from "../colour";
import type { Constants, LearnModel } from "../model";
import { newPlane, type Plane, reduceByArea, type Size } from "../resizing";
import { roundHalfToEven } from "../safetensors";
import { correct } from "./colourCorrection";
import type { Rgb } from "./encoding";

/**
 * The LUT of the style of some pictures; `transfer` where it explains them clearly better, or better at all for a style
 * out of distribution. The base has an estimator.
 */
export async function estimateLut(
  pictures: Rgb[],
  transfer: Lut,
  isOutOfDistribution: boolean,
  backend: Backend,
  learn: LearnModel,
): Promise<Lut> {
  if (!learn.colourEstimator) throw new Error("the base has no colour estimator");
  const { points, content } = learn.colourEstimator;
  const statistics: Float32Array[] = [];
  for (const picture of pictures) {
    const planes = atEstimatorSize(picture, learn.constants);
    const [{ height, width }] = planes;
    const data = new Float32Array(3 * height * width);
    planes.forEach((plane, c) => data.set(plane.data.map((value) => value / 255), c * height * width));
    const rank = rankOfLuma(planes).map((value) => 2 * value - 1);
    statistics.push(await backend.colourStatistics({ height, width, data }, rank));
  }
  const means = Float64Array.from(statistics[0], (_, k) => statistics.reduce((sum, own) => sum + own[k], 0) / pictures.length);
  const found = await backend.colourLut(described(means, pictures.length, learn.constants));
  const lut = { points, data: found.map((value) => Math.min(1, Math.max(0, value))) };
  if (!content) return lut;
  const own = correct(lut, statistics, content, learn.constants);
  const other = correct(transfer, statistics, content, learn.constants);
  const share = isOutOfDistribution ? 1 : learn.constants.transfer_misfit;
  return (other.misfit < share * own.misfit ? other : own).lut;
}

/** The head's inputs: mean moments of each cluster and of all, shares of the clusters, number of pictures. */
function described(sums: Float64Array, count: number, constants: Constants): Float32Array {
  const { colour_moments: moments, moment_shrinkage: shrinkage } = constants;
  const columns = moments + 1;
  const rows = sums.length / columns;
  const result: number[] = [];
  for (let row = 0; row < rows; row++) {
    const share = sums[row * columns + moments];
    for (let k = 0; k < moments; k++) {
      const whole = sums[(rows - 1) * columns + k];
      result.push((sums[row * columns + k] + shrinkage * whole) / (share + shrinkage));
    }
  }
  for (let row = 0; row < rows - 1; row++) result.push(Math.log(sums[row * columns + moments] + shrinkage));
  result.push(Math.log(count));
  return Float32Array.from(result);
}

/** The middle of a picture at the size the estimator reads, 8-bit planes. */
function atEstimatorSize(picture: Rgb, constants: Constants): Plane[] {
  const { estimator_short_side: short, estimator_long_side: long, estimator_alignment: step } = constants;
  const sides: Size = [picture.height, picture.width];
  const scale = short / Math.min(...sides);
  const full = sides.map((side) => Math.max(step, roundHalfToEven(side * scale)));
  const taken = full.map((side) => Math.min(long, Math.max(1, roundHalfToEven(side / step)) * step));
  const size: Size = [Math.max(full[0], taken[0]), Math.max(full[1], taken[1])];
  const [top, left] = [Math.floor((size[0] - taken[0]) / 2), Math.floor((size[1] - taken[1]) / 2)];
  return [0, 1, 2].map((channel) => cut(resized(planeOf(picture, channel), size), top, left, taken as Size));
}

function planeOf(picture: Rgb, channel: number): Plane {
  const plane = newPlane(picture.height, picture.width);
  for (let k = 0; k < plane.data.length; k++) plane.data[k] = picture.data[3 * k + channel];
  return plane;
}

/** An 8-bit plane by the mean over areas, as OpenCV rounds it. */
function resized(plane: Plane, size: Size): Plane {
  const result = reduceByArea(plane, size);
  const exact = 2 * size[0] === plane.height && 2 * size[1] === plane.width;
  const round = exact ? (value: number) => Math.floor(value + 0.5) : roundHalfToEven;
  return { ...result, data: result.data.map(round) };
}

function cut(plane: Plane, top: number, left: number, [height, width]: Size): Plane {
  const result = newPlane(height, width);
  for (let y = 0; y < height; y++) {
    const from = (top + y) * plane.width + left;
    result.data.set(plane.data.subarray(from, from + width), y * width);
  }
  return result;
}

/** Luma as its rank among the pixels, 0 to 1. */
function rankOfLuma([red, green, blue]: Plane[]): Float32Array {
  // OpenCV's fixed-point weights.
  const luma = red.data.map((value, k) => (value * 4899 + green.data[k] * 9617 + blue.data[k] * 1868 + 8192) >> 14);
  const counts = new Float64Array(256);
  for (const value of luma) counts[value]++;
  let below = 0;
  const ranks = counts.map((count) => {
    below += count;
    return (below - count / 2) / luma.length;
  });
  return luma.map((value) => ranks[value]);
}
