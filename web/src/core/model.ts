/** What the page runs on: a model to stylize with, and one to learn with. */

import type { Lut } from "./colour";
import { BrokenFileError } from "./safetensors";

export interface WeightPlace {
  name: string;
  offset: number; // floats
  shape: number[];
}

export interface Graph {
  bytes: Uint8Array;
  weights: WeightPlace[];
}

/** Numbers that the command and the page share. */
export type Constants = Record<string, number>;

export type Weights = Map<string, { shape: number[]; data: Float32Array }>;

export type Mode = "colour" | "photographic" | "drawn";

export interface StyleInfo {
  name: string;
  display_name: string;
  pictures: number;
  licence: string;
  working_size: number; // px, short side of the working copy
  mode: Mode;
  refined: boolean;
  metrics: Record<string, number>;
  model: string;
}

/** One creator's style on one base; see style_file.Style. */
export interface Style {
  info: StyleInfo;
  baseHash: string;
  matrix: Float32Array; // (3, 3)
  offset: Float32Array; // (3,)
  code: Float32Array;
  codeFactors: Float32Array; // (rank, code_dim)
  calibration: Lut | null;
  deltas: Weights;
}

/** Generator and creators: all that stylizing takes. */
export interface StylizeModel {
  version: string;
  baseHash: string;
  metadataKey: string;
  codeDim: number;
  reach: number;
  generator: Weights;
  graph: Graph;
  constants: Constants;
  lutColours: { state: string; inc: string };
  creators: { style: Style; preview: Uint8Array }[];
  before: Uint8Array; // JPEG of the photo that previews are stylized from
  photo: Uint8Array; // the same at its own size
}

/** What estimates the colours of a style from its pictures. */
export interface ColourEstimator {
  statistics: Graph;
  head: Graph;
  weights: Weights;
  points: number; // per channel, of its LUT
  content: ContentSample | null;
}

/** A sample of the colours of content photos, `samples` of each, and the clusters of content they belong to. */
export interface ContentSample {
  photos: number;
  samples: number;
  colours: Float32Array; // (photos * samples, 3) unit
  clusters: Int32Array;
  clusterCount: number;
}

/** Encoder, content colours and photos: what making a style takes beside it. */
export interface LearnModel {
  features: Graph;
  head: Graph;
  encoder: Weights;
  colourEstimator: ColourEstimator | null;
  contentColours: Float32Array; // (N, 3) unit
  priorCodeFactors: Float32Array; // (rank, code_dim)
  rotations: Float64Array;
  lineOrder: Int32Array;
  tileChoices: Int32Array; // (N, 2): photo, tile
  stylizedChoices: Int32Array; // (N, 2): photo, pixel
  creatorColours: { state: string; inc: string };
  starter: Uint8Array[];
  renderMode: Uint8Array[];
  measured: number[];
  constants: Constants;
}

/** The floats of a graph's weights, in their places. */
export function weightsFile(graph: Graph, weights: Weights): Float32Array {
  const last = graph.weights[graph.weights.length - 1];
  const file = new Float32Array(last.offset + count(last.shape));
  for (const { name, offset, shape } of graph.weights) {
    const weight = weights.get(name);
    if (!weight || weight.data.length !== count(shape)) throw new BrokenFileError(`no weight ${name}`);
    file.set(weight.data, offset);
  }
  return file;
}

function count(shape: number[]): number {
  return shape.reduce((product, side) => product * side, 1);
}
