/** How a style is rendered: its mode and the size of its working copy; mirrors instant.render_mode. */

import type { StyleGenerator } from "../backend";
import type { LearnModel, StylizeModel } from "../model";
import {
  bringDown,
  fitResidual,
  type Pixels,
  type Planes,
  ResidualRows,
  rowsOf,
  runGenerator,
  wholeResidual,
  workingSize,
} from "../rendering";
import { halved, newPlane, reduceByArea } from "../resizing";
import type { Mode } from "../styleFile";
import { opaque, readRgb } from "./encoding";

type GeneratorAt = (shortSide: number) => Promise<StyleGenerator>;

/** Mode and working size (short side, px) of a style, as photos kept for it ask. */
export async function chooseRendering(
  generatorAt: GeneratorAt,
  renderMode: Pixels[],
  model: StylizeModel,
  learn: LearnModel,
): Promise<{ mode: Mode; size: number }> {
  const { constants } = learn;
  const sizes = [constants.photographic_size, constants.large_photographic_size];
  const photos = renderMode.map((photo) => opaque(readRgb(photo, constants.learned_size)));
  const units = photos.map((photo) => bringDown(rowsOf(photo), [photo.height, photo.width]));
  const { residuals } = await stylized(await generatorAt(constants.learned_size), units, model);
  const energy = Math.sqrt(mean(residuals.map((residual) => meanSquare(residual))));
  if (energy < constants.max_unseen_residual) return { mode: "colour", size: sizes[1] };
  for (const size of sizes) {
    const working = photos.map((photo) =>
      bringDown(rowsOf(photo), workingSize(photo.height, photo.width, size, model.constants)),
    );
    const small = await stylized(await generatorAt(size), working, model);
    const rebuilt = units.map((unit, k) => {
      const maps = fitResidual(working[k], small.residuals[k], model.constants, false);
      return allRows(new ResidualRows(maps, unit[0].height, unit[0].width), unit);
    });
    const found = psnr(rebuilt, residuals);
    if (found >= constants.photographic_db) return { mode: "photographic", size };
    if (found < constants.drawn_db) break;
  }
  return { mode: "drawn", size: await drawnSize(generatorAt, renderMode, model, learn) };
}

async function drawnSize(
  generatorAt: GeneratorAt,
  renderMode: Pixels[],
  model: StylizeModel,
  learn: LearnModel,
): Promise<number> {
  const { learned_size: learned, drawn_size: larger, same_drawing_db: minDb } = learn.constants;
  if (larger <= learned) return learned;
  const middlesAt = async (size: number) => {
    const middles = renderMode.map((photo) => {
      const whole = readRgb(photo, size);
      const [top, left] = [whole.height >> 2, whole.width >> 2];
      const [height, width] = [whole.height - 2 * top, whole.width - 2 * left];
      const planes = [0, 1, 2].map(() => newPlane(height, width)) as Planes;
      for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++) {
          const from = 3 * ((top + y) * whole.width + left + x);
          for (let c = 0; c < 3; c++) planes[c].data[y * width + x] = whole.data[from + c] / 255;
        }
      }
      return planes;
    });
    return (await stylized(await generatorAt(size), middles, model)).pictures;
  };
  const wanted = await middlesAt(learned);
  const drawn = (await middlesAt(larger)).map((picture, k) =>
    picture.map((plane) => {
      const size: [number, number] = [wanted[k][0].height, wanted[k][0].width];
      return reduceByArea(halved(plane, size), size);
    }),
  ) as Planes[];
  return psnr(drawn, wanted) >= minDb ? larger : learned;
}

/** Residual and result of each photo, unit. */
async function stylized(generator: StyleGenerator, photos: Planes[], model: StylizeModel) {
  const residuals: Planes[] = [];
  const pictures: Planes[] = [];
  for (const photo of photos) {
    const { baseColour, residual } = await runGenerator(generator, photo, model);
    const whole = wholeResidual(baseColour, residual);
    residuals.push(whole);
    pictures.push(
      baseColour.map((plane, c) => ({
        ...plane,
        data: plane.data.map((value, k) => unit(unit(value) + whole[c].data[k])),
      })) as Planes,
    );
  }
  await generator.release();
  return { residuals, pictures };
}

function unit(value: number): number {
  return Math.min(1, Math.max(0, value));
}

function allRows(rows: ResidualRows, picture: Planes): Planes {
  const [{ height, width }] = picture;
  const result = [0, 1, 2].map(() => newPlane(height, width)) as Planes;
  const [line, out] = [new Float32Array(3 * width), new Float32Array(3 * width)];
  for (let y = 0; y < height; y++) {
    for (let c = 0; c < 3; c++) line.set(picture[c].data.subarray(y * width, (y + 1) * width), c * width);
    rows.row(y, line, out);
    for (let c = 0; c < 3; c++) result[c].data.set(out.subarray(c * width, (c + 1) * width), y * width);
  }
  return result;
}

function meanSquare(planes: Planes): number {
  return mean(planes.map(({ data }) => data.reduce((sum, value) => sum + value * value, 0) / data.length));
}

function psnr(found: Planes[], wanted: Planes[]): number {
  const errors = found.map((planes, n) =>
    mean(planes.map(({ data }, c) => {
      let sum = 0;
      for (let k = 0; k < data.length; k++) sum += (data[k] - wanted[n][c].data[k]) ** 2;
      return sum / data.length;
    })),
  );
  return -10 * Math.log10(Math.max(1e-10, mean(errors)));
}

function mean(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
