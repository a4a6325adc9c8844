/** Safetensors files: a JSON header, then raw tensors. Nothing in them executes. */

export type Dtype = "F16" | "F32" | "F64" | "I32" | "U8";

export interface Tensor {
  dtype: Dtype;
  shape: number[];
  bytes: Uint8Array;
}

export interface TensorFile {
  metadata: Record<string, string>;
  tensors: Map<string, Tensor>;
}

export class BrokenFileError extends Error {}

const BYTES: Record<Dtype, number> = { F16: 2, F32: 4, F64: 8, I32: 4, U8: 1 };
const MOST_HEADER = 1 << 24;

/** Read a file that is whole in memory; its tensors are views of it. Throws BrokenFileError. */
export function readTensors(bytes: Uint8Array): TensorFile {
  if (bytes.byteLength < 8) throw new BrokenFileError("too short");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = Number(view.getBigUint64(0, true));
  if (length > MOST_HEADER || 8 + length > bytes.byteLength) throw new BrokenFileError("no header");
  let header: Record<string, unknown>;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(8, 8 + length)));
  } catch {
    throw new BrokenFileError("the header is no JSON");
  }
  const tensors = new Map<string, Tensor>();
  let metadata: Record<string, string> = {};
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") metadata = entry as Record<string, string>;
    else tensors.set(name, readEntry(entry, bytes.subarray(8 + length)));
  }
  return { metadata, tensors };
}

function readEntry(entry: unknown, data: Uint8Array): Tensor {
  const { dtype, shape, data_offsets: offsets } = entry as {
    dtype: Dtype;
    shape: number[];
    data_offsets: [number, number];
  };
  if (!(dtype in BYTES) || !Array.isArray(shape) || !Array.isArray(offsets)) throw new BrokenFileError("bad entry");
  const count = shape.reduce((product, side) => product * side, 1);
  const [begin, end] = offsets;
  const fits = begin >= 0 && end <= data.byteLength && end - begin === count * BYTES[dtype];
  if (!fits) throw new BrokenFileError("a tensor lies outside of the file");
  return { dtype, shape, bytes: data.subarray(begin, end) };
}

/** Write a file. Tensors are laid out in the order given. */
export function writeTensors(tensors: Iterable<[string, Tensor]>, metadata: Record<string, string>): Uint8Array {
  const header: Record<string, unknown> = { __metadata__: metadata };
  const parts: Uint8Array[] = [];
  let place = 0;
  for (const [name, tensor] of tensors) {
    const end = place + tensor.bytes.byteLength;
    header[name] = { dtype: tensor.dtype, shape: tensor.shape, data_offsets: [place, end] };
    parts.push(tensor.bytes);
    place = end;
  }
  let head = new TextEncoder().encode(JSON.stringify(header));
  const padded = new Uint8Array(head.length + (-head.length & 7)).fill(0x20);
  padded.set(head);
  head = padded;
  const file = new Uint8Array(8 + head.length + place);
  new DataView(file.buffer).setBigUint64(0, BigInt(head.length), true);
  file.set(head, 8);
  place = 8 + head.length;
  for (const part of parts) {
    file.set(part, place);
    place += part.byteLength;
  }
  return file;
}

/** The numbers of a tensor as float32. */
export function floats(tensor: Tensor): Float32Array {
  const copy = tensor.bytes.slice().buffer;
  switch (tensor.dtype) {
    case "F32":
      return new Float32Array(copy);
    case "F64":
      return Float32Array.from(new Float64Array(copy));
    case "F16":
      return halvesToFloats(new Uint16Array(copy));
    case "I32":
      return Float32Array.from(new Int32Array(copy));
    case "U8":
      return Float32Array.from(new Uint8Array(copy));
  }
}

export function doubles(tensor: Tensor): Float64Array {
  return tensor.dtype === "F64" ? new Float64Array(tensor.bytes.slice().buffer) : Float64Array.from(floats(tensor));
}

export function integers(tensor: Tensor): Int32Array {
  return tensor.dtype === "I32" ? new Int32Array(tensor.bytes.slice().buffer) : Int32Array.from(floats(tensor));
}

export function floatTensor(values: Float32Array, shape: number[]): Tensor {
  const copy = values.slice();
  return { dtype: "F32", shape, bytes: new Uint8Array(copy.buffer) };
}

export function halfTensor(values: Float32Array, shape: number[]): Tensor {
  const halves = Uint16Array.from(values, halfOf);
  return { dtype: "F16", shape, bytes: new Uint8Array(halves.buffer) };
}

let halfTable: Float32Array | undefined;

function halvesToFloats(halves: Uint16Array): Float32Array {
  if (!halfTable) {
    halfTable = new Float32Array(1 << 16);
    for (let bits = 0; bits < halfTable.length; bits++) {
      const sign = bits & 0x8000 ? -1 : 1;
      const exponent = (bits >> 10) & 31;
      const fraction = bits & 1023;
      if (exponent === 0) halfTable[bits] = sign * fraction * 2 ** -24;
      else if (exponent === 31) halfTable[bits] = fraction ? NaN : sign * Infinity;
      else halfTable[bits] = sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
    }
  }
  const table = halfTable;
  return Float32Array.from(halves, (bits) => table[bits]);
}

/** The nearest half-precision number, ties to even, as bits. */
export function halfOf(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (Number.isNaN(value)) return 0x7e00;
  if (size >= 65520) return sign | 0x7c00;
  const exponent = Math.max(-14, Math.floor(Math.log2(size || 2 ** -24)));
  const unit = 2 ** (exponent - 10);
  const steps = roundHalfToEven(size / unit);
  // A carry into the next power of two is the right number of bits by itself.
  return sign | (size < 2 ** -14 ? steps : ((exponent + 14) << 10) + steps);
}

/** Rounding as numpy and OpenCV do it. */
export function roundHalfToEven(value: number): number {
  const low = Math.floor(value);
  const rest = value - low;
  if (rest < 0.5) return low;
  if (rest > 0.5) return low + 1;
  return low % 2 === 0 ? low : low + 1;
}
