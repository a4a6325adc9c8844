/** Pictures → style: code, colour map, calibration, variation, rendering; mirrors instant.instant_style. */

import { Backend, type StyleGenerator } from "../backend";
import { type Colours, lattice, linearMap } from "../colour";
import { applyColour, foldStyle } from "../folding";
import type { LearnModel } from "../model";
import { bringDown, type Pixels, type Planes, rowsOf, runGenerator } from "../rendering";
import { EMPTY, type Style } from "../styleFile";
import { calibrate, meanTransfer, residualOf, rootMeanSquare } from "./calibration";
import { estimateLut } from "./colourEstimation";
import { closedFormIsNearer } from "./outOfDistribution";
import { evenlyFrom, opaque, pictureSet, readRgb, type Rgb, someTiles, stepFor } from "./encoding";
import { refineCode } from "./codeRefinement";
import { chooseRendering } from "./renderMode";
import { variationOf } from "./variation";

/** Photos that stand for all content, decoded. */
export interface Content {
  starter: Rgb[];
  renderMode: Pixels[];
}

/** How far it has come, 0 to 1. */
export type OnProgress = (share: number) => void;

/** The style of a creator's pictures, each with its short side at `read_short_side` px. */
export async function makeStyle(
  name: string,
  pictures: Rgb[],
  content: Content,
  backend: Backend,
  learn: LearnModel,
  onProgress: OnProgress = () => {},
): Promise<Style> {
  const { model } = backend;
  const { constants } = learn;
  const creator = await pictureSet(pictures, backend, learn, (done) => onProgress((0.25 * done) / pictures.length));
  const before = learn.contentColours;
  let map = linearMap(before, creator.colours);
  const fold = (code: Float32Array, side = constants.read_short_side) =>
    foldStyle(model.generator, map, code, side, model.constants);
  const tiles = someTiles(content.starter, learn);
  const refiner = { creator, before, backend, learn, tiles };
  const code = await refineCode(refiner, (some) => backend.generator(fold(some)), (share) => onProgress(0.25 + 0.35 * share));
  const chosen = await chooseRendering((side) => backend.generator(fold(code, side)), content.renderMode, model, learn);
  let mode = chosen.mode;
  onProgress(0.72);
  // Every colour counts a little, so that none is left to chance that the content lacks.
  const sampled = joined(before, lattice(constants.calibration_points));
  const folded = fold(code);
  const generator = await backend.generator(folded);
  const transfer = meanTransfer(before, creator, learn);
  const wholly = await closedFormIsNearer(creator, before, backend, learn, generator, tiles, transfer);
  if (wholly) mode = "colour"; // what the network would draw is of another kind
  let residual =
    mode === "colour"
      ? new Float32Array(sampled.length)
      : residualOf(sampled, await stylizedPhotos(generator, content.starter, backend, learn, pictures.length), learn.stylizedChoices);
  await generator.release();
  onProgress(0.84);
  if (mode === "photographic" && rootMeanSquare(residual.subarray(0, before.length)) < constants.max_left_out_residual) {
    mode = "colour";
    residual = new Float32Array(sampled.length);
  }
  const own = applyColour(folded, sampled, model.constants);
  // Nothing is drawn on the base colour: one that keeps all colours apart can be calibrated to any LUT.
  if (mode === "colour") map = { matrix: Float32Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1), offset: new Float32Array(3) };
  const baseColour = mode === "colour" ? applyColour(fold(code), sampled, model.constants) : own;
  let lut = wholly ? transfer : null;
  if (learn.colourEstimator) lut = await estimateLut(pictures, transfer, wholly, backend, learn);
  onProgress(0.92);
  const colours = { photo: sampled, own, baseColour, residual, content: before.length / 3 };
  const calibration = calibrate(colours, lut, creator, learn, wholly);
  onProgress(0.97);
  const codeFactors = await variationOf(creator, before, backend, learn);
  onProgress(1);
  const count = creator.moments.length;
  const info = { ...EMPTY, name, display_name: name, pictures: count, working_size: chosen.size, mode };
  return { info, baseHash: model.baseHash, ...map, code, codeFactors, calibration, deltas: new Map() };
}

function joined(one: Colours, other: Colours): Colours {
  const both = new Float32Array(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
}

/** What a style makes of some starter photos, by their number. */
async function stylizedPhotos(generator: StyleGenerator, starter: Rgb[], backend: Backend, learn: LearnModel, pictures: number) {
  const stylized = new Map<number, { photo: Rgb; residual: Planes }>();
  const { constants } = learn;
  const numbers = evenlyFrom(Array.from(starter.keys()), constants.calibration_pictures);
  const every = stepFor(pictures, numbers.length, constants.min_photos, constants.photos_per_picture);
  for (const number of numbers.filter((_, index) => index % every === 0)) {
    const photo = starter[number];
    const unit = bringDown(rowsOf(opaque(photo)), [photo.height, photo.width]);
    const { residual } = await runGenerator(generator, unit, backend.model);
    stylized.set(number, { photo, residual });
  }
  return stylized;
}

/** The content photos as the page has them. decode: a JPEG file's pixels. */
export async function readContent(learn: LearnModel, decode: (jpeg: Uint8Array) => Promise<Pixels>): Promise<Content> {
  const starter: Rgb[] = [];
  for (const jpeg of learn.starter) starter.push(readRgb(await decode(jpeg), learn.constants.read_short_side));
  const renderMode: Pixels[] = [];
  for (const jpeg of learn.renderMode) renderMode.push(await decode(jpeg));
  return { starter, renderMode };
}
