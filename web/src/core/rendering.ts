/** A style on a picture of any size: a colour table at full size, and a residual brought up to it. Mirrors `rendering.rendering` and `rendering.lut`. */

import type { Planar, StyleGenerator } from "./backend";
import { ColourOnGpu } from "./colourOnGpu";
import { applyLut, lattice, type Lut } from "./colour";
import { applyColour } from "./folding";
import type { Constants, StylizeModel, Weights } from "./model";
import { RandomGenerator } from "./random";
import {
  areaTaps,
  blur,
  cubicTaps,
  halved,
  linearTaps,
  newPlane,
  type Plane,
  reduceByArea,
  type Size,
} from "./resizing";

/** 8-bit pixels, red, green, blue and alpha interleaved, as a canvas has them. */
export interface Pixels {
  height: number;
  width: number;
  data: Uint8ClampedArray;
}

/** Unit pixels, three planes. */
export type Planes = [Plane, Plane, Plane];

/** The per-pixel part of a folded style as a table; see rendering.bake_lut. */
export function bakeLut(folded: Weights, calibration: Lut | null, model: StylizeModel): Lut {
  const { constants } = model;
  const lut = bakeCoarseLut(folded, calibration, constants);
  const generator = new RandomGenerator(model.lutColours);
  const colours = Float32Array.from({ length: 3 * 4096 }, () => generator.float());
  const [found, wanted] = [applyLut(colours, lut), baseColours(folded, calibration, colours, constants)];
  let close = 0;
  for (let k = 0; k < colours.length; k += 3) {
    const off = [0, 1, 2].map((c) => Math.abs(found[k + c] - wanted[k + c]));
    if (Math.max(...off) <= 1 / 255) close++;
  }
  if (close / 4096 >= 0.99) return lut;
  const points = constants.fine_lut_points;
  return { points, data: baseColours(folded, calibration, lattice(points), constants) };
}

/** The table that `bakeLut` takes where it is near enough. */
export function bakeCoarseLut(folded: Weights, calibration: Lut | null, constants: Constants): Lut {
  const points = constants.lut_points;
  return { points, data: baseColours(folded, calibration, lattice(points), constants) };
}

function baseColours(folded: Weights, calibration: Lut | null, colours: Float32Array, constants: Constants): Float32Array {
  const result = clip(applyColour(folded, colours, constants));
  return calibration ? clip(applyLut(result, calibration)) : result;
}

function clip(values: Float32Array): Float32Array {
  for (let k = 0; k < values.length; k++) values[k] = Math.min(1, Math.max(0, values[k]));
  return values;
}

/** A table on 8-bit pixels, trilinear between its points; by the graphics processor where the browser has one. */
export class ColourTable {
  private static gpu: ColourOnGpu | null | undefined;
  private readonly points: Float32Array; // of 255
  private readonly low = new Int32Array(256);
  private readonly past = new Float32Array(256);

  constructor(readonly lut: Lut) {
    this.points = lut.data.map((value) => Math.min(1, Math.max(0, value)) * 255);
    for (let level = 0; level < 256; level++) {
      const place = (level * (lut.points - 1)) / 255;
      this.low[level] = Math.min(Math.trunc(place), lut.points - 2);
      this.past[level] = place - this.low[level];
    }
  }

  /** Rows (RGBA, `width` px each) in the table's colours, over themselves; alpha as it is. */
  apply(rows: Uint8ClampedArray, width: number, strength = 1): void {
    if (ColourTable.gpu === undefined) ColourTable.gpu = ColourOnGpu.open();
    if (ColourTable.gpu?.apply(this.lut, rows, width, strength)) return;
    const original = strength === 1 ? null : rows.slice();
    this.applyHere(rows);
    if (original) for (let k = 0; k < rows.length; k++) rows[k] = original[k] + strength * (rows[k] - original[k]);
  }

  private applyHere(rows: Uint8ClampedArray): void {
    const { points, low, past } = this;
    const size = this.lut.points;
    const [down, across] = [3 * size * size, 3 * size];
    for (let k = 0; k < rows.length; k += 4) {
      const [r, g, b] = [rows[k], rows[k + 1], rows[k + 2]];
      const [x, y, z] = [past[r], past[g], past[b]];
      const at = low[r] * down + low[g] * across + 3 * low[b];
      for (let c = 0; c < 3; c++) {
        const p = at + c;
        const a = points[p] + x * (points[p + down] - points[p]);
        const q = p + 3;
        const d = points[q] + x * (points[q + down] - points[q]);
        const front = a + z * (d - a);
        const u = p + across;
        const e = points[u] + x * (points[u + down] - points[u]);
        const v = u + 3;
        const f = points[v] + x * (points[v + down] - points[v]);
        const back = e + z * (f - e);
        rows[k + c] = front + y * (back - front);
      }
    }
  }
}

/** (height, width) of the working copy: never larger than the picture, and capped in pixels. */
export function workingSize(height: number, width: number, shortSide: number, constants: Constants): Size {
  const scale = Math.min(1, shortSide / Math.min(height, width), Math.sqrt(constants.max_working_pixels / (height * width)));
  return [Math.max(1, round(height * scale)), Math.max(1, round(width * scale))];
}

/** Python's round. */
function round(value: number): number {
  const rounded = Math.round(value);
  return Math.abs(value % 1) === 0.5 && rounded % 2 ? rounded - 1 : rounded;
}

/** Pixels that may be too many to hold as floats: rows of them, RGBA. */
export interface RowSource {
  height: number;
  width: number;
  rows(from: number, to: number): Uint8ClampedArray;
}

export function rowsOf(pixels: Pixels): RowSource {
  return {
    height: pixels.height,
    width: pixels.width,
    rows: (from, to) => pixels.data.subarray(4 * from * pixels.width, 4 * to * pixels.width),
  };
}

/** A picture brought down to `size` by area; unit planes. See rendering.bring_down. */
export function bringDown(source: RowSource, size: Size): Planes {
  const { height, width } = source;
  const deep = Math.min(height / size[0], width / size[1]) >= 3;
  const even = height % 2 === 0 && width % 2 === 0;
  // Large pictures are halved as they are read, so that they never lie in memory as floats.
  const planes = deep ? (even ? halfOfSource(source) : halfByArea(source)) : split(source);
  return planes.map((plane) => {
    const reduced = reduceByArea(halved(plane, size), size);
    return { ...reduced, data: reduced.data.map((value) => value / 255) };
  }) as Planes;
}

/** The three planes of a picture, 0 to 255. */
export function split(source: RowSource): Planes {
  const { height, width } = source;
  const planes = [0, 1, 2].map(() => newPlane(height, width)) as Planes;
  const step = 64;
  for (let top = 0; top < height; top += step) {
    const rows = source.rows(top, Math.min(height, top + step));
    for (let k = 0, to = top * width; k < rows.length; k += 4, to++) {
      for (let c = 0; c < 3; c++) planes[c].data[to] = rows[k + c];
    }
  }
  return planes;
}

/** The first halving, without planes of the full size. */
function halfOfSource(source: RowSource): Planes {
  const [height, width] = [source.height / 2, source.width / 2];
  const planes = [0, 1, 2].map(() => newPlane(height, width)) as Planes;
  const step = 64;
  for (let top = 0; top < source.height; top += step) {
    const bottom = Math.min(source.height, top + step);
    const rows = source.rows(top, bottom);
    const row = 4 * source.width;
    for (let y = 0; y < (bottom - top) / 2; y++) {
      for (let x = 0; x < width; x++) {
        const at = 2 * y * row + 8 * x;
        const to = (top / 2 + y) * width + x;
        for (let c = 0; c < 3; c++) {
          planes[c].data[to] = (rows[at + c] + rows[at + 4 + c] + rows[at + row + c] + rows[at + row + 4 + c]) / 4;
        }
      }
    }
  }
  return planes;
}

/** The first halving of a picture of odd sides. */
function halfByArea(source: RowSource): Planes {
  const target: Size = [Math.ceil(source.height / 2), Math.ceil(source.width / 2)];
  const [down, across] = [areaTaps(source.height, target[0]), areaTaps(source.width, target[1])];
  const planes = [0, 1, 2].map(() => newPlane(...target)) as Planes;
  for (let y = 0; y < target[0]; y++) {
    const vertical = down.weights[y];
    const rows = source.rows(down.first[y], down.first[y] + vertical.length);
    for (let x = 0; x < target[1]; x++) {
      const horizontal = across.weights[x];
      for (let c = 0; c < 3; c++) {
        let sum = 0;
        for (let j = 0; j < vertical.length; j++) {
          const begin = 4 * (j * source.width + across.first[x]) + c;
          for (let i = 0; i < horizontal.length; i++) sum += vertical[j] * horizontal[i] * rows[begin + 4 * i];
        }
        planes[c].data[y * target[1] + x] = sum;
      }
    }
  }
  return planes;
}

/** Colours by themselves and whole residual of unit planes, tile by tile; see rendering.run_generator. */
export async function runGenerator(generator: StyleGenerator, unit: Planes, model: StylizeModel): Promise<{ baseColour: Planes; residual: Planes }> {
  const [{ height, width }] = unit;
  const baseColour = unit.map(() => newPlane(height, width)) as Planes;
  const residual = unit.map(() => newPlane(height, width)) as Planes;
  const { tile, border, stride } = model.constants;
  const [mirroredRows, mirroredColumns] = [height, width].map((side) => mirrored(side, border, stride));
  for (let top = 0; top < height; top += tile) {
    for (let left = 0; left < width; left += tile) {
      const rows = reached(mirroredRows, top, Math.min(height, top + tile), model);
      const columns = reached(mirroredColumns, left, Math.min(width, left + tile), model);
      const output = await generator.run(gather(unit, rows.at, columns.at));
      const area = rows.at.length * columns.at.length;
      for (let c = 0; c < 3; c++) {
        for (let y = 0; y < rows.length; y++) {
          for (let x = 0; x < columns.length; x++) {
            const from = c * area + (y + rows.before) * columns.at.length + x + columns.before;
            const to = (top + y) * width + left + x;
            baseColour[c].data[to] = (output.baseColour[from] + 1) / 2;
            residual[c].data[to] = output.residual[from] / 2;
          }
        }
      }
    }
  }
  return { baseColour, residual };
}

/** The residual with what the network tones beyond black and white (rendering.whole_residual). */
export function wholeResidual(baseColour: Planes, residual: Planes): Planes {
  return residual.map((plane, c) => ({
    ...plane,
    data: plane.data.map((value, k) => {
      const tone = baseColour[c].data[k];
      return value + tone - Math.min(1, Math.max(0, tone));
    }),
  })) as Planes;
}

/** Which row (or column) of a picture lies at each of its bordered twin. */
function mirrored(side: number, border: number, stride: number): Int32Array {
  const least = side + 2 * border;
  const length = least + ((stride - (least % stride)) % stride);
  return Int32Array.from({ length }, (_, k) => {
    let at = Math.abs(k - border);
    // Mirrored borders need more picture than border; a strip or a dot repeats its edge instead.
    if (side > length - side && at >= side) at = 2 * (side - 1) - at;
    return Math.min(Math.max(at, 0), side - 1);
  });
}

/** A tile's place with all that its pixels depend on. */
function reached(twin: Int32Array, from: number, to: number, model: StylizeModel) {
  const { border, stride } = model.constants;
  const begin = Math.max(0, from + border - model.reach);
  let end = to + border + model.reach;
  end += (stride - (end % stride)) % stride;
  return { at: twin.subarray(begin, end), before: from + border - begin, length: to - from };
}

function gather(unit: Planes, rows: Int32Array, columns: Int32Array): Planar {
  const [height, width] = [rows.length, columns.length];
  const data = new Float32Array(3 * height * width);
  let to = 0;
  for (const plane of unit) {
    for (let y = 0; y < height; y++) {
      const row = rows[y] * plane.width;
      for (let x = 0; x < width; x++) data[to++] = plane.data[row + columns[x]] * 2 - 1;
    }
  }
  return { height, width, data };
}

/** A residual as local affine maps of the picture; see rendering.ResidualMaps. */
export interface ResidualMaps {
  slope: Plane[]; // 9, channel of the picture times 3 + channel of the residual
  level: Planes;
}

/** Local affine maps from unit planes to their residual: the guided filter (He, Sun & Tang 2013). */
export function fitResidual(x: Planes, r: Planes, constants: Constants, exact = true): ResidualMaps {
  const [{ height, width }] = x;
  const radius = Math.max(2, round(Math.min(height, width) * constants.guide_share));
  const size: Size = [Math.max(1, Math.floor(height / radius)), Math.max(1, Math.floor(width / radius))];
  const mean = (plane: Plane) => blur(reduceByArea(halved(plane, size), size));
  const times = (a: Plane, b: Plane): Plane => ({ ...a, data: a.data.map((value, k) => value * b.data[k]) });
  const [meanX, meanR] = [x.map(mean), r.map(mean)];
  const area = size[0] * size[1];
  const covariance: Float32Array[] = new Array(9);
  for (let i = 0; i < 3; i++) {
    for (let j = i; j < 3; j++) {
      const both = mean(times(x[i], x[j])).data;
      for (let k = 0; k < area; k++) both[k] += (i === j ? constants.guide_noise : 0) - meanX[i].data[k] * meanX[j].data[k];
      covariance[3 * i + j] = covariance[3 * j + i] = both;
    }
  }
  const inverse = inverses(covariance, area);
  const slope: Plane[] = new Array(9);
  const level: Plane[] = [];
  for (let c = 0; c < 3; c++) {
    const cross = x.map((plane, i) => {
      const both = mean(times(plane, r[c])).data;
      for (let k = 0; k < area; k++) both[k] -= meanX[i].data[k] * meanR[c].data[k];
      return both;
    });
    const offset = { ...meanR[c], data: meanR[c].data.slice() };
    for (let i = 0; i < 3; i++) {
      const local = newPlane(...size);
      for (let k = 0; k < area; k++) {
        local.data[k] = inverse[3 * i][k] * cross[0][k] + inverse[3 * i + 1][k] * cross[1][k] + inverse[3 * i + 2][k] * cross[2][k];
        offset.data[k] -= meanX[i].data[k] * local.data[k];
      }
      slope[3 * i + c] = blur(local);
    }
    level.push(blur(offset));
  }
  if (!exact) return { slope, level: level as Planes };
  const flat = [0, 1, 2].map(() => newPlane(1, 1)) as Planes;
  const followed = new ResidualRows({ slope, level: flat }, height, width);
  const rest = r.map((plane) => ({ ...plane, data: plane.data.slice() })) as Planes;
  const [rows, out] = [new Float32Array(3 * width), new Float32Array(3 * width)];
  for (let y = 0; y < height; y++) {
    for (let c = 0; c < 3; c++) rows.set(x[c].data.subarray(y * width, (y + 1) * width), c * width);
    followed.row(y, rows, out);
    for (let c = 0; c < 3; c++) for (let k = 0; k < width; k++) rest[c].data[y * width + k] -= out[c * width + k];
  }
  return { slope, level: rest };
}

function inverses(m: Float32Array[], area: number): Float32Array[] {
  const at = (i: number, j: number, k: number) => m[3 * (i % 3) + (j % 3)][k];
  const result = m.map(() => new Float32Array(area));
  for (let k = 0; k < area; k++) {
    const cofactor = (i: number, j: number) =>
      at(i + 1, j + 1, k) * at(i + 2, j + 2, k) - at(i + 1, j + 2, k) * at(i + 2, j + 1, k);
    const determinant = m[0][k] * cofactor(0, 0) + m[1][k] * cofactor(0, 1) + m[2][k] * cofactor(0, 2);
    for (let i = 0; i < 3; i++) for (let j = 0; j < 3; j++) result[3 * i + j][k] = cofactor(i, j) / determinant;
  }
  return result;
}

/** Maps stretched to a picture's size, a row at a time. */
export class ResidualRows {
  private readonly widened = new Map<string, Float32Array>();
  private readonly slopeDown;
  private readonly slopeAcross;
  private readonly levelDown;
  private readonly levelAcross;

  constructor(
    private readonly maps: ResidualMaps,
    height: number,
    private readonly width: number,
  ) {
    const [slope, level] = [maps.slope[0], maps.level[0]];
    this.slopeDown = linearTaps(slope.height, height);
    this.slopeAcross = linearTaps(slope.width, width);
    this.levelDown = cubicTaps(level.height, height);
    this.levelAcross = cubicTaps(level.width, width);
  }

  /** The residual in row `y` of a picture: three runs of `width`, as `picture` has them. Unit. */
  row(y: number, picture: Float32Array, out: Float32Array): void {
    const { width } = this;
    out.fill(0);
    for (let c = 0; c < 3; c++) {
      for (let k = 0; k < 4; k++) {
        const weight = this.levelDown.weight[4 * y + k];
        const row = this.wideLevel(c, this.levelDown.index[4 * y + k]);
        for (let x = 0; x < width; x++) out[c * width + x] += weight * row[x];
      }
    }
    const share = this.slopeDown.share[y];
    for (let i = 0; i < 3; i++) {
      for (let c = 0; c < 3; c++) {
        const low = this.wideSlope(3 * i + c, this.slopeDown.low[y]);
        const high = this.wideSlope(3 * i + c, this.slopeDown.high[y]);
        for (let x = 0; x < width; x++) {
          out[c * width + x] += (low[x] + share * (high[x] - low[x])) * picture[i * width + x];
        }
      }
    }
    if (this.widened.size > 64) this.forget(y);
  }

  private wideSlope(which: number, y: number): Float32Array {
    return this.kept(`s${which}/${y}`, () => {
      const plane = this.maps.slope[which];
      const { low, high, share } = this.slopeAcross;
      const row = plane.data.subarray(y * plane.width, (y + 1) * plane.width);
      const wide = new Float32Array(this.width);
      for (let x = 0; x < wide.length; x++) wide[x] = row[low[x]] + share[x] * (row[high[x]] - row[low[x]]);
      return wide;
    });
  }

  private wideLevel(channel: number, y: number): Float32Array {
    return this.kept(`l${channel}/${y}`, () => {
      const plane = this.maps.level[channel];
      const { index, weight } = this.levelAcross;
      const row = plane.data.subarray(y * plane.width, (y + 1) * plane.width);
      const wide = new Float32Array(this.width);
      for (let x = 0, k = 0; x < wide.length; x++, k += 4) {
        wide[x] =
          weight[k] * row[index[k]] +
          weight[k + 1] * row[index[k + 1]] +
          weight[k + 2] * row[index[k + 2]] +
          weight[k + 3] * row[index[k + 3]];
      }
      return wide;
    });
  }

  private kept(key: string, make: () => Float32Array): Float32Array {
    let row = this.widened.get(key);
    if (!row) {
      row = make();
      this.widened.set(key, row);
    }
    return row;
  }

  /** Rows above those in use will not be asked for again. */
  private forget(y: number): void {
    const [slope, level] = [this.slopeDown.low[y], this.levelDown.index[4 * y]];
    for (const key of this.widened.keys()) {
      const row = Number(key.slice(key.indexOf("/") + 1));
      if (row < (key[0] === "s" ? slope : level)) this.widened.delete(key);
    }
  }
}

/** What is added to the table's colours, row by row: a residual known at every pixel, or maps. */
export type AddedRows = (y: number, picture: Float32Array, out: Float32Array) => void;

export function addedFromPlanes(planes: Planes): AddedRows {
  const { width } = planes[0];
  return (y, _picture, out) => {
    for (let c = 0; c < 3; c++) out.set(planes[c].data.subarray(y * width, (y + 1) * width), c * width);
  };
}

/**
 * Rows of a picture in the style; see rendering.render.
 *
 * rows: RGBA, from row `top` on; the result is written over it. strength: how much of the style.
 */
export function renderRows(
  rows: Uint8ClampedArray,
  top: number,
  width: number,
  table: ColourTable,
  added: AddedRows | null,
  strength = 1,
): void {
  if (!added) return table.apply(rows, width, strength);
  const original = rows.slice();
  table.apply(rows, width);
  const [picture, more] = [new Float32Array(3 * width), new Float32Array(3 * width)];
  for (let y = 0, row = 0; row < rows.length; y++, row += 4 * width) {
    for (let x = 0, k = row; x < width; x++, k += 4) {
      for (let c = 0; c < 3; c++) picture[c * width + x] = original[k + c] / 255;
    }
    added(top + y, picture, more);
    for (let x = 0, k = row; x < width; x++, k += 4) {
      for (let c = 0; c < 3; c++) {
        const own = original[k + c];
        const value = Math.min(255, Math.max(0, rows[k + c] + 255 * more[c * width + x]));
        rows[k + c] = strength === 1 ? value : own + strength * (value - own);
      }
    }
  }
}
