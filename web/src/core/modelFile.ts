/** Reads `stylize.safetensors` and `learn.safetensors` as `influ export` writes them. */

import type { ColourEstimator, ContentSample, LearnModel, StylizeModel, Weights } from "./model";
import { BrokenFileError, doubles, floats, integers, readTensors, type Tensor, type TensorFile } from "./safetensors";
import { readStyleFile } from "./styleFile";

const KEY = "influ-page";

export function readStylizeModel(bytes: Uint8Array): StylizeModel {
  const file = readTensors(bytes);
  const header = description(file);
  const { code_dim: codeDim, reach, weights } = header.generator;
  const model: StylizeModel = {
    version: header.version,
    baseHash: header.base_hash,
    metadataKey: header.style_metadata_key,
    codeDim,
    reach,
    generator: weightsUnder(file, "generator/"),
    graph: { bytes: raw(file, "graph/generator"), weights },
    constants: header.constants,
    lutColours: header.lut_colours,
    creators: [],
    before: raw(file, "preview/before.jpg"),
    photo: raw(file, "photo.jpg"),
  };
  for (let index = 0; index < header.creators; index++) {
    const style = readStyleFile(raw(file, `creator/${index}`), model);
    model.creators.push({ style, preview: raw(file, `preview/${index}.jpg`) });
  }
  return model;
}

export function readLearnModel(bytes: Uint8Array): LearnModel {
  const file = readTensors(bytes);
  const header = description(file);
  const tensor = (name: string) => wanted(file, name);
  const jpegs = (kind: string, count: number) =>
    Array.from({ length: count }, (_, index) => raw(file, `${kind}/${index}.jpg`));
  return {
    features: { bytes: raw(file, "graph/features"), weights: header.encoder.features },
    head: { bytes: raw(file, "graph/head"), weights: header.encoder.head },
    encoder: weightsUnder(file, "encoder/"),
    colourEstimator: header.colour_estimator.lut_points ? colourEstimator(file, header.colour_estimator) : null,
    contentColours: floats(tensor("content_colours")).map((value) => value / 255),
    priorCodeFactors: floats(tensor("prior_code_factors")),
    rotations: doubles(tensor("rotations")),
    lineOrder: integers(tensor("line_order")),
    tileChoices: integers(tensor("tile_choices")),
    stylizedChoices: integers(tensor("stylized_choices")),
    creatorColours: header.creator_colours,
    starter: jpegs("starter", header.starter),
    renderMode: jpegs("render_mode", header.render_mode),
    measured: header.measured,
    constants: header.constants,
  };
}

function colourEstimator(file: TensorFile, header: any): ColourEstimator {
  return {
    statistics: { bytes: raw(file, "graph/colour_statistics"), weights: header.colour_statistics },
    head: { bytes: raw(file, "graph/colour_head"), weights: header.colour_head },
    weights: weightsUnder(file, "colour_estimator/"),
    points: header.lut_points,
    content: header.photos ? contentSample(file, header.clusters) : null,
  };
}

function contentSample(file: TensorFile, clusterCount: number): ContentSample {
  const clusters = wanted(file, "content/clusters");
  const [photos, samples] = clusters.shape;
  const colours = floats(wanted(file, "content/colours")).map((value) => value / 255);
  return { photos, samples, colours, clusters: integers(clusters), clusterCount };
}

function description(file: TensorFile): any {
  if (!(KEY in file.metadata)) throw new BrokenFileError("not written for the page");
  return JSON.parse(file.metadata[KEY]);
}

function weightsUnder(file: TensorFile, prefix: string): Weights {
  const found: Weights = new Map();
  for (const [name, tensor] of file.tensors) {
    if (name.startsWith(prefix)) found.set(name.slice(prefix.length), { shape: tensor.shape, data: floats(tensor) });
  }
  return found;
}

function wanted(file: TensorFile, name: string): Tensor {
  const tensor = file.tensors.get(name);
  if (!tensor) throw new BrokenFileError(`no ${name}`);
  return tensor;
}

function raw(file: TensorFile, name: string): Uint8Array {
  return wanted(file, name).bytes;
}
