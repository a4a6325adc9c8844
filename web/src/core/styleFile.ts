/** Style files: written as the command writes them, and read with the same checks. */

import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import {
  BrokenFileError,
  floats,
  floatTensor,
  halfTensor,
  type Dtype,
  readTensors,
  type Tensor,
  writeTensors,
} from "./safetensors";
import type { Lut } from "./colour";
import type { Mode, StylizeModel, Style, StyleInfo, Weights } from "./model";

export type { Mode, Style, StyleInfo } from "./model";

export const FORMAT_VERSION = 1;
const MOST_CODE_FACTORS = 64;
const MOST_POINTS = 65;
const MODES: Mode[] = ["colour", "photographic", "drawn"];

/** Why a file can't be used: a key of the page's messages. */
export class StyleFileError extends Error {
  constructor(
    readonly reason: "notAStyle" | "newerFormat" | "otherBase" | "aModel" | "damaged" | "mistyped" | "noCode",
    detail = "",
  ) {
    super(`${reason} ${detail}`);
  }
}

export const NAME = /^[\p{L}\p{N}][\p{L}\p{N}_.-]{0,63}$/u;

export function isName(name: string): boolean {
  return NAME.test(name) && !name.endsWith(".") && new TextEncoder().encode(name).length <= 200;
}

/** The style in a file's bytes. Throws StyleFileError. */
export function readStyleFile(bytes: Uint8Array, model: StylizeModel): Style {
  try {
    const file = readTensors(bytes);
    const text = file.metadata[model.metadataKey];
    if (!text) throw new StyleFileError("notAStyle");
    const header = JSON.parse(text);
    if (typeof header.format_version !== "number") throw new StyleFileError("damaged");
    if (header.format_version > FORMAT_VERSION) throw new StyleFileError("newerFormat");
    if (header.kind === "model") throw new StyleFileError("aModel");
    if (header.kind !== "style") throw new StyleFileError("notAStyle");
    if (!isWhole(text) || header.tensors_sha256 !== sumOfTensors(file.tensors)) throw new StyleFileError("damaged");
    if (header.base_hash !== model.baseHash) throw new StyleFileError("otherBase");
    const style = readStyle(header.creator, file.tensors, "creator/", model.baseHash, model.codeDim);
    checkDeltas(style.deltas, model.generator);
    return style;
  } catch (error) {
    if (error instanceof StyleFileError) throw error;
    if (error instanceof BrokenFileError) throw new StyleFileError("notAStyle", error.message);
    throw new StyleFileError("damaged", String(error));
  }
}

/** A style as the bytes of a file that the command accepts. */
export function writeStyleFile(style: Style, model: StylizeModel): Uint8Array {
  const rank = style.codeFactors.length / model.codeDim;
  const tensors: [string, Tensor][] = [
    ["creator/matrix", floatTensor(style.matrix, [3, 3])],
    ["creator/offset", floatTensor(style.offset, [3])],
    ["creator/code", floatTensor(style.code, [style.code.length])],
    ["creator/code_factors", halfTensor(style.codeFactors, [rank, model.codeDim])],
  ];
  if (style.calibration) {
    const { points, data } = style.calibration;
    tensors.push(["creator/calibration", halfTensor(data, [points, points, points, 3])]);
  }
  for (const [name, delta] of style.deltas) {
    tensors.push([`creator/deltas.${name}`, halfTensor(delta.data, delta.shape)]);
  }
  const header = {
    format_version: FORMAT_VERSION,
    library_version: model.version,
    kind: "style",
    base_hash: style.baseHash,
    creator: style.info,
    tensors_sha256: sumOfTensors(new Map(tensors)),
  };
  return writeTensors(tensors, { [model.metadataKey]: sealed(header) });
}

/** A document as JSON, its own SHA-256 the last entry; mirrors styles.file.sealed. */
function sealed(document: Record<string, unknown>): string {
  const { sha256: _, ...rest } = document;
  const digest = sha256(new TextEncoder().encode(spacedJson(rest)));
  return spacedJson({ ...rest, sha256: bytesToHex(digest) });
}

/** Whether a document's last entry is the SHA-256 of what stands before it. */
function isWhole(text: string): boolean {
  const [, rest, digest] = /^(.*), "sha256": "([0-9a-f]{64})"\}$/s.exec(text) ?? [];
  return digest !== undefined && bytesToHex(sha256(new TextEncoder().encode(`${rest}}`))) === digest;
}

/** JSON as Python writes it, with a space after each comma and colon. */
function spacedJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(spacedJson).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).map(([key, one]) => `${JSON.stringify(key)}: ${spacedJson(one)}`);
  return `{${entries.join(", ")}}`;
}

const NUMPY_KINDS: Record<Dtype, string> = { F16: "<f2", F32: "<f4", F64: "<f8", I32: "<i4", U8: "|u1" };

/** SHA-256 over the names, kinds, shapes and bytes of all tensors; mirrors styles.file.sum_of_tensors. */
function sumOfTensors(tensors: Map<string, Tensor>): string {
  const digest = sha256.create();
  for (const name of [...tensors.keys()].sort()) {
    const { dtype, shape, bytes } = tensors.get(name)!;
    const tuple = `(${shape.join(", ")}${shape.length === 1 ? "," : ""})`;
    digest.update(new TextEncoder().encode(`${name}\0${NUMPY_KINDS[dtype]}${tuple}\0`)).update(bytes);
  }
  return bytesToHex(digest.digest());
}

/** A style of one file from its entry and its tensors, named from `prefix` on. */
function readStyle(
  entry: Record<string, unknown>,
  tensors: Map<string, Tensor>,
  prefix: string,
  baseHash: string,
  codeDim: number,
): Style {
  const part = (name: string, shape: (number | null)[]): Float32Array => {
    const tensor = tensors.get(prefix + name);
    const fits =
      tensor &&
      (tensor.dtype === "F16" || tensor.dtype === "F32") &&
      tensor.shape.length === shape.length &&
      shape.every((side, k) => side === null || side === tensor.shape[k]);
    if (!fits) throw new BrokenFileError(`no ${name}`);
    return finite(floats(tensor), name);
  };
  const codeFactors = part("code_factors", [null, codeDim]);
  if (codeFactors.length / codeDim > MOST_CODE_FACTORS) throw new BrokenFileError("code_factors");
  const deltas: Weights = new Map();
  for (const [name, tensor] of tensors) {
    if (!name.startsWith(`${prefix}deltas.`)) continue;
    if (tensor.shape.length !== 2) throw new BrokenFileError(name);
    deltas.set(name.slice(prefix.length + 7), { shape: tensor.shape, data: finite(floats(tensor), name) });
  }
  return {
    info: readInfo(entry),
    baseHash,
    matrix: part("matrix", [3, 3]),
    offset: part("offset", [3]),
    code: part("code", [codeDim]),
    codeFactors,
    calibration: readCalibration(tensors.get(`${prefix}calibration`)),
    deltas,
  };
}

function readCalibration(tensor: Tensor | undefined): Lut | null {
  if (!tensor) return null;
  const [points] = tensor.shape;
  const fits = tensor.shape.join() === [points, points, points, 3].join() && points >= 2 && points <= MOST_POINTS;
  if (!fits) throw new BrokenFileError("calibration");
  return { points, data: finite(floats(tensor), "calibration") };
}

function readInfo(entry: Record<string, unknown>): StyleInfo {
  const info = { ...EMPTY, ...entry } as StyleInfo;
  const fits =
    typeof info.name === "string" &&
    isName(info.name) &&
    typeof info.display_name === "string" &&
    typeof info.licence === "string" &&
    MODES.includes(info.mode) &&
    Number.isInteger(info.pictures) &&
    info.working_size >= 8 &&
    info.working_size <= 8192;
  if (!fits) throw new BrokenFileError("description");
  return info;
}

export const EMPTY: StyleInfo = {
  name: "style",
  display_name: "",
  pictures: 0,
  licence: "",
  working_size: 384,
  mode: "photographic",
  refined: false,
  metrics: {},
  model: "",
};

function checkDeltas(deltas: Weights, generator: Weights): void {
  for (const [key, { shape }] of deltas) {
    const name = key.replace(/\.(up|down)$/, "");
    const target = generator.get(name)?.shape;
    const up = deltas.get(`${name}.up`)?.shape;
    const down = deltas.get(`${name}.down`)?.shape;
    const columns = target?.slice(1).reduce((product, side) => product * side, 1);
    if (!target || !up || !down || up[0] !== target[0] || down[1] !== columns || up[1] !== down[0] || !shape) {
      throw new BrokenFileError(key);
    }
  }
}

function finite(values: Float32Array, name: string): Float32Array {
  if (!values.every(Number.isFinite)) throw new BrokenFileError(`${name} holds no numbers`);
  return values;
}
