/** Styles of a kind that pre-training never drew; mirrors instant.out_of_distribution. */

import type { Backend, StyleGenerator } from "../backend";
import { applyLut, type Colours, type Lut } from "../colour";
import type { LearnModel } from "../model";
import { meanOf, type PictureSet, statisticsOf } from "./encoding";

/** Whether the colour transfer is nearer to the creator than the network's results. */
export async function closedFormIsNearer(
  creator: PictureSet,
  before: Colours,
  backend: Backend,
  learn: LearnModel,
  generator: StyleGenerator,
  tiles: Float32Array,
  transfer: Lut,
): Promise<boolean> {
  const { constants } = learn;
  if (creator.moments.length < constants.min_pictures) return false;
  const statistics = statisticsOf(learn, creator.colours, before, creator.moments.length);
  const wanted = headInputs(learn, meanOf(creator.moments), statistics);
  if (meanSquare(wanted) < constants.max_deviation) return false;
  const side = constants.read_tile;
  const length = 3 * side * side;
  const count = tiles.length / length;
  const step = Math.max(1, Math.floor(count / constants.out_of_distribution_tiles));
  const [stylized, transferred]: Float32Array[][] = [[], []];
  let energy = 0;
  for (let n = 0; n < count; n += step) {
    const data = tiles.slice(n * length, (n + 1) * length);
    const { baseColour, residual } = await generator.run({ height: side, width: side, data });
    energy += meanSquare(residual) / 4;
    stylized.push(baseColour.map((value, k) => Math.min(1, Math.max(-1, value + residual[k]))));
    transferred.push(withColours(data, side * side, (colours) => applyLut(colours, transfer)));
  }
  energy = Math.sqrt(energy / stylized.length);
  const gaps: number[] = [];
  for (const results of [stylized, transferred]) {
    const moments = await backend.moments(joined(results, length), side);
    const found = headInputs(learn, moments, statistics);
    gaps.push(meanSquare(found.map((value, k) => value - wanted[k])));
  }
  return energy < constants.min_drawn || (energy < constants.max_drawn && gaps[1] < gaps[0]);
}

/** The inputs of the encoder's head, in standard deviations over pre-training. */
function headInputs(learn: LearnModel, moments: Float32Array, statistics: Float32Array): Float32Array {
  const half = moments.length / 2;
  const described = new Float32Array(moments.length + statistics.length);
  for (let k = 0; k < half; k++) {
    const deviation = Math.sqrt(Math.max(moments[half + k] - moments[k] ** 2, 1e-8));
    described[k] = moments[k] / deviation;
    described[half + k] = Math.log(deviation);
  }
  described.set(statistics, moments.length);
  const centre = learn.encoder.get("head.centre")!.data;
  const scale = learn.encoder.get("head.scale")!.data;
  const { clip_deviations: limit } = learn.constants;
  return described.map((value, k) => Math.min(limit, Math.max(-limit, (value - centre[k]) * scale[k])));
}

/** A tile in [-1, 1] with its colours changed. */
function withColours(tile: Float32Array, area: number, change: (colours: Colours) => Colours): Float32Array {
  const colours = new Float32Array(tile.length);
  for (let k = 0; k < area; k++) for (let c = 0; c < 3; c++) colours[3 * k + c] = tile[c * area + k] / 2 + 0.5;
  const changed = change(colours);
  return tile.map((_, k) => changed[3 * (k % area) + Math.floor(k / area)] * 2 - 1);
}

function joined(parts: Float32Array[], length: number): Float32Array {
  const result = new Float32Array(parts.length * length);
  parts.forEach((part, n) => result.set(part, n * length));
  return result;
}

function meanSquare(values: Float32Array): number {
  return values.reduce((sum, value) => sum + value * value, 0) / values.length;
}
