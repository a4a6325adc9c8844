/** All that takes time happens here: decoding, the networks, stylizing, encoding. */

import * as ort from "onnxruntime-web/wasm";
import { stylizeClip } from "./clip";
import { Backend } from "./core/backend";
import { cubeText } from "./core/cubeFile";
import { feedColours } from "./core/feed";
import { type Content, makeStyle, readContent } from "./core/instant/instantStyle";
import { readRgb, type Rgb } from "./core/instant/encoding";
import type { LearnModel, StylizeModel } from "./core/model";
import { readLearnModel, readStylizeModel } from "./core/modelFile";
import { type Pixels, rowsOf, type RowSource } from "./core/rendering";
import { readLine, writeLine } from "./core/styleCode";
import { readStyleFile, type Style, StyleFileError, writeStyleFile } from "./core/styleFile";
import { type Prepared, Stylizer } from "./core/stylizer";
import { type Metadata, withMetadata } from "./pictures/containers";
import { type DecodedPicture, decodePicture, decodePixels, PictureError } from "./pictures/decode";
import type { Kind, LoadedStyle, OnProgress, PictureType, Reply, Request, Requests, Seen } from "./protocol";

const MOST_THREADS = 4;
const STRIP = 256; // rows stylized at a time
const JPEG_QUALITY = 0.95;
const DECODED_IN_HAND = 1;
const PREPARED_IN_HAND = 24;

type Handler<K extends Kind> = (body: Requests[K]["in"], onProgress: OnProgress) => Promise<Requests[K]["out"]>;

let model: StylizeModel;
let learn: LearnModel | undefined;
let backend: Backend;
let content: Promise<Content> | undefined;
const styles = new Map<string, Style>();
const stylizers = new Map<string, Stylizer>();
const photos = new Map<string, Blob>();
const decoded = new Map<string, DecodedPicture>();
const prepared = new Map<string, Prepared>();
let small: { photo: string; side: number; pixels: Pixels } | undefined;

const handlers: { [K in Kind]: Handler<K> } = {
  async start({ stylize, wasm }) {
    // Threads share memory, which takes a page that is isolated from all others: `influ ui` serves it so.
    ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(MOST_THREADS, navigator.hardwareConcurrency) : 1;
    ort.env.wasm.wasmBinary = wasm;
    model = readStylizeModel(new Uint8Array(stylize));
    backend = new Backend(ort, model);
    const loaded = model.creators.map(({ style }) => keep(style.info.name, style));
    const previews = model.creators.map(({ preview }) => preview.slice());
    const label = `${model.version}, base ${model.baseHash.slice(0, 12)}`;
    return { version: model.version, label, styles: loaded, previews, before: model.before.slice(), photo: model.photo.slice() };
  },
  async learn({ bytes }) {
    learn = readLearnModel(new Uint8Array(bytes));
    backend = new Backend(ort, model, learn);
    return {};
  },
  async open({ photo, blob }) {
    photos.set(photo, blob);
    const { height, width } = await pictureOf(photo);
    return { height, width };
  },
  async close({ photo }) {
    photos.delete(photo);
    decoded.delete(photo);
    if (small?.photo === photo) small = undefined;
    for (const key of prepared.keys()) if (key.startsWith(`${photo}\n`)) prepared.delete(key);
    return {};
  },
  async colours({ photo, style, strength, side }) {
    if (prepared.has(`${photo}\n${style}`)) return null;
    const before = await smallOf(photo, side);
    const data = before.data.slice();
    stylizerOf(style).coarseTable.apply(data, before.width, strength);
    return { before: seen(before), after: seen({ ...before, data }) };
  },
  async stylize({ photo, style, strength, side }) {
    return stylizeSmall(photo, style, strength, side);
  },
  async download({ photo, style, strength, type, metadata }) {
    return { blob: await stylizeWhole(photo, style, strength, type, metadata) };
  },
  async feed({ photos: chosen, style, strength, side }, onProgress) {
    const results = [];
    for (const photo of chosen) {
      const { before, after } = await stylizeSmall(photo, style, strength, side);
      results.push({ picture: after, ...feedColours(before, after) });
      onProgress(results.length / chosen.length);
    }
    return { photos: results };
  },
  async makeStyle({ key, name, pictures }, onProgress) {
    const { constants } = needLearn();
    const read: Rgb[] = [];
    for (const picture of pictures) {
      try {
        read.push(readRgb(await decodePixels(picture), constants.read_short_side));
      } catch (error) {
        if (!(error instanceof PictureError)) throw error;
      }
      onProgress((0.15 * (read.length + 1)) / pictures.length);
    }
    if (!read.length) throw new PictureError("unreadable");
    content ??= readContent(needLearn(), decodeBytes);
    const photosOfAll = await content;
    const style = await makeStyle(name, read, photosOfAll, backend, needLearn(), (share) => onProgress(0.15 + 0.85 * share));
    return { style: keep(key, style), file: writeStyleFile(style, model), unreadable: pictures.length - read.length };
  },
  async openStyle({ key, file }) {
    return keep(key, readStyleFile(file, model));
  },
  async openCode({ key, name, text }) {
    const style = readLine(text, name, model, needLearn());
    return { style: keep(key, style), file: writeStyleFile(style, model) };
  },
  async renameStyle({ key, name }) {
    const style = styles.get(key)!;
    const renamed = { ...style, info: { ...style.info, name, display_name: name } };
    return { style: keep(key, renamed), file: writeStyleFile(renamed, model) };
  },
  async styleFile({ style }) {
    return { file: writeStyleFile(styles.get(style)!, model) };
  },
  async cube({ style }) {
    const { info } = styles.get(style)!;
    return { text: cubeText(stylizerOf(style).table.lut, info.name, model.version) };
  },
  async code({ style }) {
    return { text: await writeLine(styles.get(style)!, backend, needLearn(), decodeBytes) };
  },
  async previewStyle({ style }) {
    const photo = await decodeBytes(model.photo);
    const stylizer = stylizerOf(style);
    const ready = await stylizer.prepare(rowsOf(photo));
    const data = photo.data.slice();
    stylizer.render(data, 0, photo.width, stylizer.rowsFor(ready, photo.height, photo.width), 1);
    return { picture: seen({ ...photo, data }) };
  },
  async clip({ blob, style, strength }, onProgress) {
    const { info } = styles.get(style)!;
    return stylizeClip(blob, stylizerOf(style), strength, `influ, style ${info.name}`, onProgress);
  },
};

function keep(key: string, style: Style): LoadedStyle {
  styles.set(key, style);
  stylizers.delete(key);
  for (const one of prepared.keys()) if (one.endsWith(`\n${key}`)) prepared.delete(one);
  return { key, info: style.info };
}

function needLearn(): LearnModel {
  if (!learn) throw new Error("the encoder has not arrived");
  return learn;
}

/** The stylizer in hand: one at a time holds sessions of the network. */
function stylizerOf(key: string): Stylizer {
  let stylizer = stylizers.get(key);
  if (!stylizer) {
    for (const other of stylizers.values()) void other.release();
    stylizer = new Stylizer(styles.get(key)!, backend);
  }
  stylizers.delete(key);
  stylizers.set(key, stylizer);
  if (stylizers.size > 16) stylizers.delete(stylizers.keys().next().value!);
  return stylizer;
}

async function pictureOf(photo: string): Promise<DecodedPicture> {
  let picture = decoded.get(photo);
  if (!picture) {
    while (decoded.size >= DECODED_IN_HAND) decoded.delete(decoded.keys().next().value!);
    picture = await decodePicture(photos.get(photo)!);
    decoded.set(photo, picture);
  }
  return picture;
}

async function preparedOf(photo: string, style: string, source: RowSource): Promise<Prepared> {
  const key = `${photo}\n${style}`;
  let ready = prepared.get(key);
  if (!ready) {
    ready = await stylizerOf(style).prepare(source);
    prepared.set(key, ready);
    if (prepared.size > PREPARED_IN_HAND) prepared.delete(prepared.keys().next().value!);
  }
  return ready;
}

/** A photo and its result for the screen, `side` px long at most. */
async function stylizeSmall(photo: string, style: string, strength: number, side: number): Promise<{ before: Seen; after: Seen }> {
  const picture = await pictureOf(photo);
  const ready = await preparedOf(photo, style, picture);
  // What was stylized whole is small, and is shown whole.
  const before = ready.added ? whole(picture) : await smallOf(photo, side);
  const stylizer = stylizerOf(style);
  const data = before.data.slice();
  stylizer.render(data, 0, before.width, stylizer.rowsFor(ready, before.height, before.width), strength);
  return { before: seen(before), after: seen({ ...before, data }) };
}

/** The whole photo in the style as a file. */
async function stylizeWhole(photo: string, style: string, strength: number, type: PictureType, metadata: Metadata): Promise<Blob> {
  const picture = await pictureOf(photo);
  const { height, width } = picture;
  const ready = await preparedOf(photo, style, picture);
  const stylizer = stylizerOf(style);
  const added = stylizer.rowsFor(ready, height, width);
  // Drawn into the picture's own canvas, so that a large one lies in memory once.
  decoded.delete(photo);
  for (let top = 0; top < height; top += STRIP) {
    const rows = picture.context.getImageData(0, top, width, Math.min(STRIP, height - top));
    stylizer.render(rows.data, top, width, added, strength);
    if (type === "image/jpeg") overWhite(rows.data);
    picture.context.putImageData(rows, 0, top);
  }
  const encoded = await picture.canvas.convertToBlob({ type, quality: JPEG_QUALITY });
  const bytes = withMetadata(new Uint8Array(await encoded.arrayBuffer()), metadata);
  return new Blob([bytes as Uint8Array<ArrayBuffer>], { type });
}

function overWhite(data: Uint8ClampedArray): void {
  for (let k = 0; k < data.length; k += 4) {
    const alpha = data[k + 3] / 255;
    if (alpha === 1) continue;
    for (let c = 0; c < 3; c++) data[k + c] = data[k + c] * alpha + 255 * (1 - alpha);
    data[k + 3] = 255;
  }
}

function whole(picture: DecodedPicture): Pixels {
  return { height: picture.height, width: picture.width, data: picture.rows(0, picture.height) };
}

/** The photo in hand as the screen shows it; drawn once for all styles and strengths. */
async function smallOf(photo: string, side: number): Promise<Pixels> {
  if (small?.photo !== photo || small.side !== side) small = { photo, side, pixels: shrunk(await pictureOf(photo), side) };
  return small.pixels;
}

function shrunk(picture: DecodedPicture, side: number): Pixels {
  const scale = Math.min(1, side / Math.max(picture.height, picture.width));
  if (scale === 1) return whole(picture);
  const [height, width] = [picture.height, picture.width].map((one) => Math.max(1, Math.round(one * scale)));
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true })!;
  context.imageSmoothingQuality = "high";
  context.drawImage(picture.canvas, 0, 0, width, height);
  return { height, width, data: context.getImageData(0, 0, width, height).data };
}

function decodeBytes(jpeg: Uint8Array): Promise<Pixels> {
  return decodePixels(new Blob([jpeg as Uint8Array<ArrayBuffer>], { type: "image/jpeg" }));
}

function seen({ height, width, data }: Pixels): Seen {
  return { height, width, data: data as Uint8ClampedArray<ArrayBuffer> };
}

/** What a failure is called among the page's messages. */
function keyOf(error: unknown): string {
  if (error instanceof PictureError || error instanceof StyleFileError) return error.reason;
  if (error instanceof RangeError || /memory|allocat/i.test(String(error))) return "noMemory";
  return (error as { reason?: string }).reason ?? "failed";
}

// One request after the other: the network's sessions are not to be shared.
let turn: Promise<void> = Promise.resolve();

// ONNX Runtime starts this very script as its threads, under a name of its own, and has its own talk with them.
if (!self.name.startsWith("em-pthread")) {
  self.onmessage = ({ data }: MessageEvent<Request>) => {
    turn = turn.then(() => answer(data));
  };
}

async function answer<K extends Kind>({ id, kind, body }: Request<K>): Promise<void> {
  const send = (reply: Reply) => self.postMessage(reply);
  try {
    const handler = handlers[kind] as Handler<K>;
    send({ id, result: await handler(body, (progress) => send({ id, progress })) });
  } catch (error) {
    send({ id, error: keyOf(error), detail: String((error as Error)?.stack ?? error) });
  }
}
