/** The networks on ONNX Runtime: graphs of the base, weights handed over beside them. */

import type * as Ort from "onnxruntime-web/wasm";
import { type ColourEstimator, type Graph, type LearnModel, type StylizeModel, weightsFile, type Weights } from "./model";

/** A picture as the networks get it: (3, height, width) in [-1, 1]. */
export interface Planar {
  height: number;
  width: number;
  data: Float32Array;
}

/** A generator with one style folded in. */
export interface StyleGenerator {
  /** Colours by themselves and the residual, (3, height, width) each in about [-1, 1]. */
  run(image: Planar): Promise<{ baseColour: Float32Array; residual: Float32Array }>;
  release(): Promise<void>;
}

export class Backend {
  private features?: Promise<Ort.InferenceSession>;
  private head?: Promise<Ort.InferenceSession>;
  private colours?: Promise<Ort.InferenceSession>;
  private colourHead?: Promise<Ort.InferenceSession>;

  constructor(
    private readonly ort: typeof Ort,
    readonly model: StylizeModel,
    private readonly learn?: LearnModel,
  ) {}

  async generator(folded: Weights): Promise<StyleGenerator> {
    const session = await this.open(this.model.graph, folded);
    const ort = this.ort;
    return {
      async run({ height, width, data }) {
        const output = await session.run({ image: new ort.Tensor("float32", data, [1, 3, height, width]) });
        return { baseColour: output.base_colour.data as Float32Array, residual: output.residual.data as Float32Array };
      },
      release: () => session.release(),
    };
  }

  /** Mean over `tiles` of what the encoder sees in each: (N, 3, side, side) → (moments,). */
  async moments(tiles: Float32Array, side: number): Promise<Float32Array> {
    const model = this.needLearn();
    this.features ??= this.open(model.features, model.encoder);
    const session = await this.features;
    const count = tiles.length / (3 * side * side);
    let sums: Float64Array | undefined;
    // A few at a time: all of them together would take hundreds of megabytes.
    for (let begin = 0; begin < count; begin += 16) {
      const some = tiles.slice(begin * 3 * side * side, (begin + 16) * 3 * side * side);
      const rows = some.length / (3 * side * side);
      const input = new this.ort.Tensor("float32", some, [rows, 3, side, side]);
      const found = (await session.run({ pictures: input })).moments.data as Float32Array;
      const columns = found.length / rows;
      sums ??= new Float64Array(columns);
      for (let k = 0; k < found.length; k++) sums[k % columns] += found[k];
    }
    return Float32Array.from(sums!, (sum) => sum / count);
  }

  /** The code of a style from its moments and its colour statistics. */
  async code(moments: Float32Array, statistics: Float32Array): Promise<Float32Array> {
    const model = this.needLearn();
    this.head ??= this.open(model.head, model.encoder);
    const session = await this.head;
    const output = await session.run({
      moments: new this.ort.Tensor("float32", moments, [1, moments.length]),
      statistics: new this.ort.Tensor("float32", statistics, [1, statistics.length]),
    });
    return (output.code.data as Float32Array).slice();
  }

  /**
   * Colours of a picture by what is seen there: unit planes (3, height, width) and its luma's rank, sides multiples
   * of 16 → sums of each cluster, rows of `moments` + 1.
   */
  async colourStatistics(picture: Planar, rank: Float32Array): Promise<Float32Array> {
    const { statistics, weights } = this.needEstimator();
    this.colours ??= this.open(statistics, weights);
    const session = await this.colours;
    const { height, width, data } = picture;
    const output = await session.run({
      picture: new this.ort.Tensor("float32", data, [1, 3, height, width]),
      luma: new this.ort.Tensor("float32", rank, [1, 1, height, width]),
    });
    return (output.statistics.data as Float32Array).slice();
  }

  /** The points of a style's LUT, unit and not clipped, from what describes its pictures. */
  async colourLut(described: Float32Array): Promise<Float32Array> {
    const { head, weights } = this.needEstimator();
    this.colourHead ??= this.open(head, weights);
    const session = await this.colourHead;
    const input = new this.ort.Tensor("float32", described, [1, described.length]);
    return ((await session.run({ described: input })).lut.data as Float32Array).slice();
  }

  private needEstimator(): ColourEstimator {
    const { colourEstimator } = this.needLearn();
    if (!colourEstimator) throw new Error("the base has no colour estimator");
    return colourEstimator;
  }

  private needLearn(): LearnModel {
    if (!this.learn) throw new Error("the encoder is not loaded");
    return this.learn;
  }

  private open(graph: Graph, weights: Weights): Promise<Ort.InferenceSession> {
    const file = weightsFile(graph, weights);
    return this.ort.InferenceSession.create(graph.bytes, {
      executionProviders: ["wasm"],
      externalData: [{ path: "weights", data: new Uint8Array(file.buffer) }],
      logSeverityLevel: 3,
    });
  }
}
