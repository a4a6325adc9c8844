/** Picture files decoded by the browser: upright, in sRGB, 8 bits. */

import type { Pixels, RowSource } from "../core/rendering";

/** A decoded picture that gives its rows; `canvas` may be drawn from. */
export interface DecodedPicture extends RowSource {
  canvas: OffscreenCanvas;
  context: OffscreenCanvasRenderingContext2D;
}

export const MOST_PIXELS = 120_000_000;
const MOST_SIDE = 16_384;

/** Why a picture can't be used: a key of the page's messages. */
export class PictureError extends Error {
  constructor(readonly reason: "unreadable" | "tooLarge") {
    super(reason);
  }
}

/** Decode a file. Throws PictureError. */
export async function decodePicture(blob: Blob): Promise<DecodedPicture> {
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(blob);
  } catch {
    throw new PictureError("unreadable");
  }
  const { height, width } = bitmap;
  try {
    if (height * width > MOST_PIXELS || Math.max(height, width) > MOST_SIDE) throw new PictureError("tooLarge");
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    if (!context) throw new PictureError("tooLarge");
    context.drawImage(bitmap, 0, 0);
    return {
      ...{ height, width, canvas, context },
      rows: (from, to) => context.getImageData(0, from, width, to - from).data,
    };
  } finally {
    bitmap.close();
  }
}

/** All pixels of a picture. */
export async function decodePixels(blob: Blob): Promise<Pixels> {
  const picture = await decodePicture(blob);
  return { height: picture.height, width: picture.width, data: picture.rows(0, picture.height) };
}
