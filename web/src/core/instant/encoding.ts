/** Pictures as the encoder meets them: tiles, moments, colours; mirrors instant.encoding. */

import type { Backend } from "../backend";
import { arraySplit, type Colours, styleStatistics } from "../colour";
import type { Constants, LearnModel } from "../model";
import { RandomGenerator } from "../random";
import type { Pixels } from "../rendering";
import { cubicTaps, type Plane, resizePlane, sizeForShortSide } from "../resizing";
import { roundHalfToEven } from "../safetensors";

/** A creator's pictures as the encoder meets them. */
export interface PictureSet {
  moments: Float32Array[]; // one per picture
  colours: Colours; // unit, an equal share of each
}

/** 8-bit red, green and blue, interleaved, without alpha. */
export interface Rgb {
  height: number;
  width: number;
  data: Uint8Array;
}

/** A picture over white with its short side brought to `shortSide` px (pictures.read_rgb). */
export function readRgb({ height, width, data }: Pixels, shortSide: number): Rgb {
  const size = sizeForShortSide(height, width, shortSide);
  const result: Rgb = { height: size[0], width: size[1], data: new Uint8Array(3 * size[0] * size[1]) };
  for (let c = 0; c < 3; c++) {
    const plane: Plane = { height, width, data: new Float32Array(height * width) };
    for (let k = 0; k < plane.data.length; k++) {
      const alpha = data[4 * k + 3] / 255;
      plane.data[k] = alpha === 1 ? data[4 * k + c] : roundHalfToEven(data[4 * k + c] * alpha + 255 * (1 - alpha));
    }
    const resized = resizePlane(plane, size);
    for (let k = 0; k < resized.data.length; k++) result.data[3 * k + c] = resized.data[k];
  }
  return result;
}

/** The same with alpha, as a canvas has it. */
export function opaque({ height, width, data }: Rgb): Pixels {
  const result = new Uint8ClampedArray(4 * height * width).fill(255);
  for (let k = 0; k < height * width; k++) for (let c = 0; c < 3; c++) result[4 * k + c] = data[3 * k + c];
  return { height, width, data: result };
}

/** Read pictures one after the other; see instant.encoding.set_statistics. */
export async function pictureSet(
  pictures: Rgb[],
  backend: Backend,
  learn: LearnModel,
  onProgress: (done: number) => void = () => {},
): Promise<PictureSet> {
  const moments: Float32Array[] = [];
  for (const picture of pictures) {
    moments.push(await backend.moments(asRead(tilesOf(picture, learn.constants)), learn.constants.read_tile));
    onProgress(moments.length);
  }
  const generator = new RandomGenerator(learn.creatorColours);
  const share = Math.ceil(learn.constants.set_colours / pictures.length);
  const colours = new Float32Array(3 * share * pictures.length);
  pictures.forEach((picture, index) => colours.set(sampleColours(picture, share, generator), 3 * share * index));
  return { moments, colours };
}

/** `count` unit colours of a picture (colour.sample_colours). */
function sampleColours(picture: Rgb, count: number, generator: RandomGenerator): Colours {
  const chosen = generator.integers(picture.height * picture.width, count);
  const order = generator.permutation(count);
  const colours = new Float32Array(3 * count);
  order.forEach((place, k) => {
    for (let c = 0; c < 3; c++) colours[3 * k + c] = picture.data[3 * chosen[place] + c] / 255;
  });
  return colours;
}

/** The shares of single pictures. */
export function coloursOf(set: PictureSet): Colours[] {
  const each = set.colours.length / set.moments.length;
  return set.moments.map((_, index) => set.colours.subarray(index * each, (index + 1) * each));
}

export function concatenate(parts: Float32Array[]): Float32Array<ArrayBuffer> {
  const result = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let place = 0;
  for (const part of parts) {
    result.set(part, place);
    place += part.length;
  }
  return result;
}

export function meanOf(rows: Float32Array[]): Float32Array {
  return rows[0].map((_, k) => rows.reduce((sum, row) => sum + row[k], 0) / rows.length);
}

/** The code of a style; see instant.encoding.code_of. */
export function codeOf(
  backend: Backend,
  learn: LearnModel,
  moments: Float32Array,
  after: Colours,
  before: Colours,
  count: number,
): Promise<Float32Array> {
  return backend.code(moments, statisticsOf(learn, after, before, count));
}

export function statisticsOf(learn: LearnModel, after: Colours, before: Colours, count: number): Float32Array {
  const { quantiles, luma_bands } = learn.constants;
  return styleStatistics(after, before, count, { quantiles, luma_bands });
}

/** Tiles that cover a picture, `read_tile` px each. */
export function tilesOf(picture: Rgb, constants: Constants): Rgb[] {
  const { read_tile: tile, read_long_side: longest } = constants;
  const [height, width] = [picture.height, picture.width].map((side) => Math.max(tile, Math.min(side, longest)));
  const [top, left] = [picture.height, picture.width].map((side) => Math.floor(Math.max(0, side - longest) / 2));
  let middle = crop(picture, top, left, Math.min(height, picture.height), Math.min(width, picture.width));
  if (middle.height !== height || middle.width !== width) middle = enlarge(middle, height, width);
  const tiles: Rgb[] = [];
  for (const y of tileStarts(height, tile)) {
    for (const x of tileStarts(width, tile)) tiles.push(crop(middle, y, x, tile, tile));
  }
  return tiles;
}

function tileStarts(side: number, tile: number): number[] {
  const count = Math.ceil(side / tile);
  const step = count > 1 ? (side - tile) / (count - 1) : 0;
  return Array.from({ length: count }, (_, k) => roundHalfToEven(k * step));
}

function crop(picture: Rgb, top: number, left: number, height: number, width: number): Rgb {
  const data = new Uint8Array(3 * height * width);
  for (let y = 0; y < height; y++) {
    const from = 3 * ((top + y) * picture.width + left);
    data.set(picture.data.subarray(from, from + 3 * width), 3 * y * width);
  }
  return { height, width, data };
}

/** OpenCV's INTER_CUBIC on 8 bits. */
function enlarge(picture: Rgb, height: number, width: number): Rgb {
  const [down, across] = [cubicTaps(picture.height, height), cubicTaps(picture.width, width)];
  const data = new Uint8Array(3 * height * width);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < 3; c++) {
        let sum = 0;
        for (let j = 0; j < 4; j++) {
          for (let i = 0; i < 4; i++) {
            const from = 3 * (down.index[4 * y + j] * picture.width + across.index[4 * x + i]) + c;
            sum += down.weight[4 * y + j] * across.weight[4 * x + i] * picture.data[from];
          }
        }
        data[3 * (y * width + x) + c] = Math.min(255, Math.max(0, roundHalfToEven(sum)));
      }
    }
  }
  return { height, width, data };
}

/** Tiles of one size as the networks get them, (N, 3, H, W) in [-1, 1]. */
export function asRead(tiles: Rgb[]): Float32Array {
  const [{ height, width }] = tiles;
  const area = height * width;
  const data = new Float32Array(3 * area * tiles.length);
  tiles.forEach((tile, n) => {
    for (let c = 0; c < 3; c++) {
      const to = (3 * n + c) * area;
      for (let k = 0; k < area; k++) data[to + k] = (tile.data[3 * k + c] / 255) * 2 - 1;
    }
  });
  return data;
}

/** At most `count` of them, evenly apart. */
export function evenlyFrom<T>(values: T[], count: number): T[] {
  const most = Math.min(count, values.length);
  return Array.from({ length: most }, (_, place) => values[Math.floor((place * values.length) / most)]);
}

/** Every which of `available` photos or tiles is worked on: few pictures tell little. */
export function stepFor(pictures: number, available: number, least: number, perPicture: number): number {
  return Math.max(1, Math.floor(available / Math.max(least, perPicture * pictures)));
}

/** The tiles of starter photos that a style is refined on. */
export function someTiles(photos: Rgb[], learn: LearnModel): Float32Array {
  const { read_tile: tile } = learn.constants;
  const chosen = arraySplit(learn.tileChoices, learn.tileChoices.length / 2) as [number, number][];
  const kept = new Map<number, Rgb[]>();
  const area = 3 * tile * tile;
  const result = new Float32Array(area * chosen.length);
  chosen.forEach(([photo, index], n) => {
    if (!kept.has(photo)) kept.set(photo, tilesOf(photos[photo], learn.constants));
    result.set(asRead([kept.get(photo)![index]]), n * area);
  });
  return result;
}
