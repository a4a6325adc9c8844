/** A creator's own variation: how much the codes of single pictures vary; mirrors instant.variation. */

import type { Backend } from "../backend";
import type { Colours } from "../colour";
import { eigh } from "../linear";
import type { LearnModel } from "../model";
import { codeOf, coloursOf, meanOf, type PictureSet } from "./encoding";

/** Root of the covariance of single pictures' codes, less the encoder's own noise: (rank, code_dim). */
export async function variationOf(
  creator: PictureSet,
  before: Colours,
  backend: Backend,
  learn: LearnModel,
): Promise<Float32Array> {
  const { variation_rank: rank, variation_shrinkage: shrinkage, variation_min_pictures: minPictures, variation_max_pictures: maxPictures } =
    learn.constants;
  const dim = backend.model.codeDim;
  const count = creator.moments.length;
  if (count < minPictures) return learn.priorCodeFactors.slice(0, rank * dim).map((value) => shrinkage * value);
  const shares = coloursOf(creator);
  const codes: Float32Array[] = [];
  for (let k = 0; k < Math.min(count, maxPictures); k++) {
    codes.push(await codeOf(backend, learn, creator.moments[k], shares[k], before, count));
  }
  const { values, vectors } = eigh(covarianceOf(codes, learn.priorCodeFactors, dim), dim);
  const order = Array.from(values.keys()).sort((a, b) => values[b] - values[a]);
  const root = new Float32Array(rank * dim);
  order.slice(0, rank).forEach((which, row) => {
    const length = shrinkage * Math.sqrt(Math.max(values[which], 0));
    for (let k = 0; k < dim; k++) root[row * dim + k] = length * vectors[k * dim + which];
  });
  return root;
}

/** Covariance of codes less that of the encoder's noise. */
function covarianceOf(codes: Float32Array[], noise: Float32Array, dim: number): Float64Array {
  const mean = meanOf(codes);
  const covariance = new Float64Array(dim * dim);
  const add = (row: ArrayLike<number>, share: number) => {
    for (let i = 0; i < dim; i++) for (let j = 0; j < dim; j++) covariance[i * dim + j] += share * row[i] * row[j];
  };
  for (const code of codes) add(code.map((value, k) => value - mean[k]), 1 / (codes.length - 1));
  for (let row = 0; row < noise.length / dim; row++) add(noise.subarray(row * dim, (row + 1) * dim), -1);
  return covariance;
}
