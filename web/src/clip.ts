/** A short clip in the style, frame by frame, sound copied: decoded and encoded by the browser. */

import {
  ALL_FORMATS,
  BlobSource,
  BufferTarget,
  Conversion,
  getFirstEncodableVideoCodec,
  Input,
  Mp4OutputFormat,
  Output,
} from "mediabunny";
import { rowsOf } from "./core/rendering";
import type { Stylizer } from "./core/stylizer";

export const MOST_SECONDS = 60;

/** Why a clip can't be stylized: a key of the page's messages. */
export class ClipError extends Error {
  constructor(readonly reason: "clipUnreadable" | "clipTooLong" | "clipNoCodec") {
    super(reason);
  }
}

/** The clip as an mp4. Throws ClipError. */
export async function stylizeClip(
  blob: Blob,
  stylizer: Stylizer,
  strength: number,
  comment: string,
  onProgress: (share: number) => void,
): Promise<{ blob: Blob; frames: number }> {
  if (!("VideoDecoder" in self) || !("VideoEncoder" in self)) throw new ClipError("clipNoCodec");
  const input = new Input({ source: new BlobSource(blob), formats: ALL_FORMATS });
  const track = await input.getPrimaryVideoTrack().catch(() => null);
  if (!track) throw new ClipError("clipUnreadable");
  if ((await input.computeDuration()) > MOST_SECONDS) throw new ClipError("clipTooLong");
  if (!(await track.canDecode())) throw new ClipError("clipNoCodec");
  const codec = await getFirstEncodableVideoCodec(["avc", "vp9", "av1"]);
  if (!codec) throw new ClipError("clipNoCodec");
  const target = new BufferTarget();
  const output = new Output({ format: new Mp4OutputFormat({ fastStart: "in-memory" }), target });
  let frames = 0;
  let canvas: OffscreenCanvas | undefined;
  const conversion = await Conversion.init({
    input,
    output,
    tags: { comment },
    video: {
      codec,
      forceTranscode: true,
      async process(sample) {
        const [width, height] = [sample.displayWidth, sample.displayHeight];
        if (canvas?.width !== width || canvas.height !== height) canvas = new OffscreenCanvas(width, height);
        const context = canvas.getContext("2d", { willReadFrequently: true })!;
        sample.draw(context, 0, 0, width, height);
        const pixels = context.getImageData(0, 0, width, height);
        const ready = await stylizer.prepare(rowsOf(pixels));
        stylizer.render(pixels.data, 0, width, stylizer.rowsFor(ready, height, width), strength);
        context.putImageData(pixels, 0, 0);
        frames++;
        return canvas;
      },
    },
  });
  if (!conversion.isValid) throw new ClipError("clipNoCodec");
  conversion.onProgress = onProgress;
  await conversion.execute();
  return { blob: new Blob([target.buffer!], { type: "video/mp4" }), frames };
}
