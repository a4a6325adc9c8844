/** A table that gives results the colours that are estimated; mirrors instant.calibration. */

import { applyLut, type Colours, forCorners, lattice, linearMap, type Lut, transferLut } from "../colour";
import type { LearnModel } from "../model";
import type { Planes } from "../rendering";
import { type PictureSet, type Rgb } from "./encoding";

/** Points per channel of colour.transfer_lut where none are asked for. */
const TRANSFER_POINTS = 17;
const UNSEEN_SHARE = 1 / 255; // of another colour: changes less than a step of 8 bits

/** Colours and what the network makes of each, all (N, 3); behind the `content` first ones, those of a grid. */
export interface StylizedColours {
  content: number;
  photo: Colours;
  own: Colours; // the network's results without residuals
  baseColour: Colours; // what the calibration is given
  residual: Colours;
}

/**
 * A table of the base colour that brings results to where they are expected: between the network's own colours, those
 * of `lut` (of the photo, where there is one) and, with many pictures, the distribution of the creator's.
 * wholly: they are those of `lut` alone.
 */
export function calibrate(
  colours: StylizedColours,
  lut: Lut | null,
  creator: PictureSet,
  learn: LearnModel,
  wholly: boolean,
): Lut {
  const { constants } = learn;
  const content = 3 * colours.content;
  const energy = rootMeanSquare(colours.residual.subarray(0, content));
  const drawn = (base: Float32Array) => base.map((value, k) => Math.min(1, Math.max(0, value + colours.residual[k])));
  let results: Float32Array = drawn(colours.own);
  if (lut) {
    const share = wholly ? 1 : constants.estimate_share / (1 + (energy / constants.half_estimate_residual) ** 2);
    results = between(results, applyLut(colours.photo, lut), share);
  }
  if (!wholly) {
    const count = creator.moments.length;
    const many =
      1 / (1 + (constants.half_transfer_pictures / count) ** 2) / (1 + (energy / constants.half_transfer_residual) ** constants.residual_growth);
    if (many > UNSEEN_SHARE) {
      const transfer = transferLut(results.slice(0, content), creator.colours, TRANSFER_POINTS, learn.rotations);
      results = between(results, applyLut(results, transfer), many);
    }
  }
  // What the residual adds, and what clipping takes away, comes after the calibration.
  const without = drawn(colours.baseColour);
  const wanted = colours.baseColour.map((base, k) => base + results[k] - without[k]);
  const table: Lut = { points: constants.calibration_points, data: lattice(constants.calibration_points) };
  for (let round = 0; round < constants.boosting_steps; round++) {
    const missing = difference(wanted, applyLut(colours.baseColour, table));
    const smooth = smoothTable(colours.baseColour, missing, constants.calibration_points, constants.min_colours);
    for (let k = 0; k < smooth.length; k++) table.data[k] += smooth[k];
  }
  return table;
}

/** Halfway between the linear map and a table of the whole distribution, for styles of no kind. */
export function meanTransfer(source: Colours, creator: PictureSet, learn: LearnModel): Lut {
  const whole = wholeTable(source, creator.colours, learn);
  const linear = applyLut(lattice(whole.points), linearTable(source, creator.colours));
  return {
    points: whole.points,
    data: whole.data.map((value, k) => (value + Math.min(1, Math.max(0, linear[k]))) / 2),
  };
}

function linearTable(source: Colours, target: Colours): Lut {
  const { matrix, offset } = linearMap(source, target);
  const corners = lattice(2);
  const data = corners.map((_, k) => {
    const [row, c] = [k - (k % 3), k % 3];
    return corners[row] * matrix[c] + corners[row + 1] * matrix[3 + c] + corners[row + 2] * matrix[6 + c] + offset[c];
  });
  return { points: 2, data };
}

function wholeTable(source: Colours, target: Colours, learn: LearnModel): Lut {
  return transferLut(source, target, learn.constants.calibration_points, learn.rotations);
}

/** What the residual adds to content colours: as to the most similar pixel of stylized photos. */
export function residualOf(
  colours: Colours,
  photos: Map<number, { photo: Rgb; residual: Planes }>,
  choices: Int32Array,
): Colours {
  const known = Array.from({ length: choices.length / 2 }, (_, n) => n).filter((n) => photos.has(choices[2 * n]));
  const count = known.length;
  const [pixels, residuals] = [new Float32Array(3 * count), new Float32Array(3 * count)];
  for (let n = 0; n < count; n++) {
    const { photo, residual } = photos.get(choices[2 * known[n]])!;
    const at = choices[2 * known[n] + 1];
    for (let c = 0; c < 3; c++) {
      pixels[3 * n + c] = photo.data[3 * at + c] / 255;
      residuals[3 * n + c] = residual[c].data[at];
    }
  }
  const result = new Float32Array(colours.length);
  const nearest = nearestOf(pixels);
  for (let k = 0; k < colours.length; k += 3) {
    const found = nearest(colours[k], colours[k + 1], colours[k + 2]);
    result.set(residuals.subarray(3 * found, 3 * found + 3), k);
  }
  return result;
}

/** Who is nearest of unit points, by cells of a grid that are searched in ever wider shells. */
function nearestOf(points: Float32Array): (r: number, g: number, b: number) => number {
  const side = 32;
  const cell = (value: number) => Math.min(side - 1, Math.max(0, Math.floor(value * side)));
  const cells: number[][] = Array.from({ length: side ** 3 }, () => []);
  for (let n = 0; n < points.length / 3; n++) {
    cells[(cell(points[3 * n]) * side + cell(points[3 * n + 1])) * side + cell(points[3 * n + 2])].push(n);
  }
  return (r, g, b) => {
    const [i, j, k] = [cell(r), cell(g), cell(b)];
    let [best, least] = [0, Infinity];
    for (let shell = 0; shell < side; shell++) {
      // A point of this shell is at least so far away.
      if (least <= ((shell - 1) / side) ** 2 && shell > 0) break;
      for (let x = Math.max(0, i - shell); x <= Math.min(side - 1, i + shell); x++) {
        for (let y = Math.max(0, j - shell); y <= Math.min(side - 1, j + shell); y++) {
          const edge = Math.abs(x - i) === shell || Math.abs(y - j) === shell;
          const step = edge ? 1 : Math.max(1, 2 * shell);
          for (let z = k - shell; z <= k + shell; z += step) {
            if (z < 0 || z >= side) continue;
            for (const n of cells[(x * side + y) * side + z]) {
              const far = (points[3 * n] - r) ** 2 + (points[3 * n + 1] - g) ** 2 + (points[3 * n + 2] - b) ** 2;
              if (far < least) [best, least] = [n, far];
            }
          }
        }
      }
    }
    return best;
  };
}

/** The mean of `values` around each point of a table (Nadaraya and Watson), nothing far from all colours. */
function smoothTable(colours: Colours, values: Float32Array, points: number, few: number): Float64Array {
  const sums = [0, 1, 2, 3].map(() => new Float64Array(points ** 3));
  forCorners(colours, points, (n, point, share) => {
    for (let c = 0; c < 3; c++) sums[c][point] += share * values[3 * n + c];
    sums[3][point] += share;
  });
  const blurred = sums.map((one) => gaussian(one, points));
  const result = new Float64Array(3 * points ** 3);
  for (let k = 0; k < points ** 3; k++) {
    for (let c = 0; c < 3; c++) result[3 * k + c] = blurred[c][k] / (blurred[3][k] + few);
  }
  return result;
}

/** scipy.ndimage.gaussian_filter of a cube with a deviation of 1: four points to a side, edges reflected. */
function gaussian(cube: Float64Array, points: number): Float64Array {
  const kernel = Array.from({ length: 9 }, (_, k) => Math.exp(-((k - 4) ** 2) / 2));
  const total = kernel.reduce((sum, weight) => sum + weight, 0);
  let values = cube;
  for (const stride of [points * points, points, 1]) {
    const next = new Float64Array(cube.length);
    for (let k = 0; k < cube.length; k++) {
      const at = Math.floor(k / stride) % points;
      for (let d = -4; d <= 4; d++) next[k] += (kernel[d + 4] / total) * values[k + (reflected(at + d, points) - at) * stride];
    }
    values = next;
  }
  return values;
}

function reflected(at: number, points: number): number {
  const around = ((at % (2 * points)) + 2 * points) % (2 * points);
  return around < points ? around : 2 * points - 1 - around;
}

function between(one: Float32Array, other: Float32Array, share: number): Float32Array {
  return one.map((value, k) => value + share * (other[k] - value));
}

function difference(a: Float32Array, b: Float32Array): Float32Array {
  return a.map((value, k) => value - b[k]);
}

export function rootMeanSquare(values: Float32Array): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
}
