/** A code moved by what is read of its own results; mirrors instant.code_refinement. */

import type { Backend, StyleGenerator } from "../backend";
import type { Colours } from "../colour";
import type { LearnModel } from "../model";
import { codeOf, meanOf, type PictureSet, stepFor } from "./encoding";

export interface Refiner {
  creator: PictureSet;
  before: Colours;
  backend: Backend;
  learn: LearnModel;
  tiles: Float32Array; // (N, 3, side, side)
}

/** The code of the creator's set, moved by half of the error of its results. */
export async function refineCode(
  refiner: Refiner,
  generatorOf: (code: Float32Array) => Promise<StyleGenerator>,
  onProgress: (share: number) => void,
): Promise<Float32Array> {
  const { creator, learn } = refiner;
  const { constants } = learn;
  const { min_for_second_step: minForSecondStep, refinement_share: share, check_every: checkEvery } = constants;
  const count = creator.moments.length;
  const available = refiner.tiles.length / tileLength(refiner);
  const every = stepFor(count, available, constants.min_tiles, constants.tiles_per_picture);
  let code = await codeOfSet(refiner, meanOf(creator.moments), creator.colours);
  const wanted = code;
  const errorOf = async (results: Float32Array) => {
    const encoded = await encode(refiner, results);
    return wanted.map((value, k) => value - encoded[k]);
  };
  const rounds = count >= minForSecondStep ? 2 : 1;
  for (let round = 0; round < rounds; round++) {
    const results = await stylizeTiles(refiner, await generatorOf(code), every);
    onProgress((round + 0.6) / rounds);
    const error = await errorOf(results);
    const nearer = code.map((value, k) => value + share * error[k]);
    // Few tiles have people of their own, which say nothing of how a step changes the results.
    const before = await errorOf(everyTile(results, tileLength(refiner), checkEvery));
    const after = await errorOf(await stylizeTiles(refiner, await generatorOf(nearer), every * checkEvery));
    const rest = error.map((value, k) => value - (before[k] - after[k]));
    onProgress((round + 1) / rounds);
    if (Math.hypot(...rest) >= Math.hypot(...error)) break;
    code = nearer;
  }
  return code;
}

function codeOfSet({ backend, learn, before, creator }: Refiner, moments: Float32Array, colours: Colours) {
  return codeOf(backend, learn, moments, colours, before, creator.moments.length);
}

function tileLength({ learn }: Refiner): number {
  return 3 * learn.constants.read_tile ** 2;
}

function everyTile(tiles: Float32Array, length: number, every: number): Float32Array {
  const count = tiles.length / length;
  const result = new Float32Array(Math.ceil(count / every) * length);
  for (let n = 0; n < count; n += every) result.set(tiles.subarray(n * length, (n + 1) * length), (n / every) * length);
  return result;
}

async function stylizeTiles(refiner: Refiner, generator: StyleGenerator, every: number): Promise<Float32Array> {
  const length = tileLength(refiner);
  const results = everyTile(refiner.tiles, length, every);
  const side = refiner.learn.constants.read_tile;
  for (let begin = 0; begin < results.length; begin += length) {
    const data = results.slice(begin, begin + length);
    const { baseColour, residual } = await generator.run({ height: side, width: side, data });
    for (let k = 0; k < length; k++) results[begin + k] = Math.min(1, Math.max(-1, baseColour[k] + residual[k]));
  }
  await generator.release();
  return results;
}

/** The code of stylized tiles. */
async function encode(refiner: Refiner, results: Float32Array): Promise<Float32Array> {
  const side = refiner.learn.constants.read_tile;
  const moments = await refiner.backend.moments(results, side);
  return codeOfSet(refiner, moments, someColours(results, side * side, refiner.learn.constants.set_colours));
}

/** About `count` colours of (N, 3, side, side) results, unit. */
function someColours(results: Float32Array, area: number, count: number): Colours {
  const pixels = results.length / 3;
  const step = Math.max(1, Math.floor(pixels / count));
  const colours = new Float32Array(3 * Math.ceil(pixels / step));
  for (let n = 0, to = 0; n < pixels; n += step) {
    const from = Math.floor(n / area) * 3 * area + (n % area);
    for (let c = 0; c < 3; c++) colours[to++] = results[from + c * area] / 2 + 0.5;
  }
  return colours;
}
