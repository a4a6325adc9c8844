/** A fixed style folds into the weights; mirrors networks.folding. */

import type { ColourMap } from "./colour";
import type { Constants, Weights } from "./model";

/** W + up @ down for each of a creator's low-rank deltas (Hu et al. 2021, eq. 3). */
export function mergeDeltas(weights: Weights, deltas: Weights): Weights {
  const merged: Weights = new Map(weights);
  for (const [key, up] of deltas) {
    if (!key.endsWith(".up")) continue;
    const name = key.slice(0, -3);
    const own = weights.get(name);
    const down = deltas.get(`${name}.down`);
    if (!own || !down) throw new Error(`no pair for ${key}`);
    const [rows, rank] = up.shape;
    const columns = down.shape[1];
    const data = own.data.slice();
    for (let i = 0; i < rows; i++) {
      for (let k = 0; k < rank; k++) {
        const factor = up.data[i * rank + k];
        for (let j = 0; j < columns; j++) data[i * columns + j] += factor * down.data[k * columns + j];
      }
    }
    merged.set(name, { shape: own.shape, data });
  }
  return merged;
}

/** Weights of a folded generator for one style at one short side in px; above max_short_side it counts as that. */
export function foldStyle(
  weights: Weights,
  map: ColourMap,
  code: Float32Array,
  shortSide: number,
  constants: Constants,
): Weights {
  const conditions: Record<string, Float32Array> = {
    colour: code,
    residual: Float32Array.of(...code, Math.log(Math.min(shortSide, constants.max_short_side) / 256)),
  };
  const folded: Weights = new Map();
  for (const name of weights.keys()) {
    if (!name.endsWith(".conv.weight")) continue;
    const layer = name.slice(0, -".conv.weight".length);
    const condition = conditions[layer.split(".")[0]];
    const modulated = weights.has(`${layer}.style.weight`);
    const { weight, bias } = modulated
      ? foldModulated(weights, layer, condition, constants.gain)
      : foldGated(weights, layer, condition);
    folded.set(`${layer}.conv.weight`, { shape: weights.get(name)!.shape, data: weight });
    folded.set(`${layer}.conv.bias`, { shape: [bias.length], data: bias });
  }
  const { matrix, offset } = map;
  const mapWeight = new Float32Array(9);
  const mapBias = new Float32Array(3);
  for (let i = 0; i < 3; i++) {
    mapBias[i] = matrix[i] + matrix[3 + i] + matrix[6 + i] + 2 * offset[i] - 1;
    for (let j = 0; j < 3; j++) mapWeight[3 * i + j] = matrix[3 * j + i];
  }
  folded.set("map.weight", { shape: [3, 3, 1, 1], data: mapWeight });
  folded.set("map.bias", { shape: [3], data: mapBias });
  return folded;
}

function foldModulated(weights: Weights, layer: string, condition: Float32Array, gain: number) {
  const { shape, data } = weights.get(`${layer}.conv.weight`)!;
  const [outputs, inputs] = shape;
  const area = data.length / outputs / inputs;
  const style = affine(weights, `${layer}.style`, condition);
  const weight = new Float32Array(data.length);
  for (let o = 0; o < outputs; o++) {
    let energy = 0;
    const begin = o * inputs * area;
    for (let i = 0; i < inputs; i++) {
      for (let k = 0; k < area; k++) {
        const value = data[begin + i * area + k] * (1 + style[i]);
        weight[begin + i * area + k] = value;
        energy += value * value;
      }
    }
    const scale = gain / Math.sqrt(energy + 1e-8);
    for (let k = begin; k < begin + inputs * area; k++) weight[k] *= scale;
  }
  return { weight, bias: style.slice(inputs) };
}

function foldGated(weights: Weights, layer: string, condition: Float32Array) {
  const { shape, data } = weights.get(`${layer}.conv.weight`)!;
  const bias = weights.get(`${layer}.conv.bias`)!.data.slice();
  const [outputs, inputs] = shape;
  const area = data.length / outputs / inputs;
  const gate = affine(weights, `${layer}.gate`, condition);
  const inner = gate.length - 2 * outputs;
  const weight = data.slice();
  for (let o = 0; o < outputs; o++) {
    const outer = 1 + gate[inner + o];
    for (let i = 0; i < inputs; i++) {
      const factor = outer * (inner ? 1 + gate[i] : 1);
      for (let k = 0; k < area; k++) weight[(o * inputs + i) * area + k] *= factor;
    }
    bias[o] = bias[o] * outer + gate[inner + outputs + o];
  }
  return { weight, bias };
}

function affine(weights: Weights, name: string, condition: Float32Array): Float32Array {
  const weight = weights.get(`${name}.weight`)!.data;
  const bias = weights.get(`${name}.bias`)!.data;
  return bias.map((value, row) => {
    let sum = value;
    for (let k = 0; k < condition.length; k++) sum += weight[row * condition.length + k] * condition[k];
    return sum;
  });
}

/** The per-pixel part of a folded generator on unit colours, (N, 3), not clipped. */
export function applyColour(folded: Weights, colours: Float32Array, constants: Constants): Float32Array {
  const [convIn, middle, convOut] = ["conv_in", "middle", "conv_out"].map((name) => ({
    weight: folded.get(`colour.${name}.conv.weight`)!.data,
    bias: folded.get(`colour.${name}.conv.bias`)!.data,
  }));
  const map = { weight: folded.get("map.weight")!.data, bias: folded.get("map.bias")!.data };
  const leak = constants.leak;
  const width = middle.bias.length;
  const [input, first, second] = [new Float64Array(6), new Float64Array(width), new Float64Array(width)];
  const result = new Float32Array(colours.length);
  for (let n = 0; n < colours.length; n += 3) {
    for (let c = 0; c < 3; c++) input[c] = colours[n + c] * 2 - 1;
    for (let c = 0; c < 3; c++) {
      input[3 + c] = map.bias[c];
      for (let k = 0; k < 3; k++) input[3 + c] += map.weight[3 * c + k] * input[k];
    }
    for (let o = 0; o < width; o++) {
      let sum = convIn.bias[o];
      for (let k = 0; k < 6; k++) sum += convIn.weight[6 * o + k] * input[k];
      first[o] = sum > 0 ? sum : leak * sum;
    }
    for (let o = 0; o < width; o++) {
      let sum = middle.bias[o];
      for (let k = 0; k < width; k++) sum += middle.weight[width * o + k] * first[k];
      second[o] = sum > 0 ? sum : leak * sum;
    }
    for (let c = 0; c < 3; c++) {
      let sum = input[3 + c] + convOut.bias[c];
      for (let k = 0; k < width; k++) sum += convOut.weight[width * c + k] * second[k];
      result[n + c] = (sum + 1) / 2;
    }
  }
  return result;
}
