/** A correction of an estimated LUT by what it leaves unexplained; mirrors instant.colour_correction. */

import { applyLut, type Colours, isGrey, lattice, LUMA, type Lut } from "../colour";
import { solve } from "../linear";
import type { Constants, ContentSample } from "../model";

const TINY = 1e-6; // share of a picture

/** Values by cluster and moment, (clusters, moments), row by row. */
type Rows = Float64Array;

/** A corrected LUT, and how far the pictures' moments are from the LUT before, in deviations of all that may explain it. */
export interface Correction {
  lut: Lut;
  misfit: number;
}

/** `lut` after one step. statistics: of each of the creator's pictures, (clusters + 1, moments + 1). */
export function correct(lut: Lut, statistics: Float32Array[], content: ContentSample, constants: Constants): Correction {
  const axes = axesOf(isGrey(lut), constants);
  const seen = applyLut(content.colours, lut);
  const { mean, deviations } = momentsOfPhotos(colourMoments(seen, constants), content, constants);
  const { missing, spread, deviation } = compared(statistics, mean, constants);
  const slopes = slopesOf(seen, axes, content, constants);
  const moments = constants.colour_moments;
  // One row for each weight of the change and for each photo, whitened by the noise; all weights are standard normal.
  const rows = slopes.map((row) => row.map((value, k) => value / deviation[k]));
  for (const row of deviations) {
    rows.push(row.map((value, k) => (value * spread[Math.floor(k / moments)]) / deviation[k]));
  }
  const wanted = missing.map((value, k) => value / deviation[k]);
  const weights = leastSquares(rows, wanted);
  const explained = new Float64Array(wanted.length);
  rows.forEach((row, r) => row.forEach((value, k) => (explained[k] += weights[r] * value)));
  const misfit = wanted.reduce((sum, value, k) => sum + value * (value - explained[k]), 0) / wanted.length;
  const grid = cosineBasis(lattice(lut.points), constants);
  const gain = statistics.length / (statistics.length + constants.half_gain_pictures);
  const data = lut.data.map((value, k) => {
    let change = 0;
    grid.forEach((wave, f) => {
      for (let a = 0; a < axes.length; a++) change += wave[Math.floor(k / 3)] * weights[f * axes.length + a] * axes[a][k % 3];
    });
    return Math.min(1, Math.max(0, value + gain * change));
  });
  return { lut: { points: lut.points, data }, misfit };
}

/** Directions of a change, each as long as the change deviates along it. */
function axesOf(grey: boolean, { luma_deviation: luma, chroma_deviation: chroma }: Constants): number[][] {
  const along = chroma * Math.sqrt(3);
  const others = [
    [1, 0, -1].map((value) => (value * along) / Math.sqrt(2)),
    [-1, 2, -1].map((value) => (value * along) / Math.sqrt(6)),
  ];
  return [[luma, luma, luma], ...(grey ? [] : others)];
}

/** Moments of unit colours, (N, moments). */
function colourMoments(colours: Colours, { luma_knots: knots, colour_moments: moments }: Constants): Float64Array {
  const count = colours.length / 3;
  const found = new Float64Array(count * moments);
  for (let n = 0; n < count; n++) {
    const [r, g, b] = [colours[3 * n], colours[3 * n + 1], colours[3 * n + 2]];
    const luma = r * LUMA[0] + g * LUMA[1] + b * LUMA[2];
    const place = n * moments;
    found.set([r, g, b, r * r, g * g, b * b, r * g, g * b, r * b], place);
    for (let k = 0; k < knots; k++) {
      const bell = Math.exp(-((luma * (knots - 1) - k) ** 2));
      found[place + 9 + k] = bell;
      found[place + 9 + knots + k] = bell * (b - luma);
      found[place + 9 + 2 * knots + k] = bell * (r - luma);
    }
  }
  return found;
}

/** Mean moments of each cluster, and how each photo deviates, weighted by how much of the cluster it has. */
function momentsOfPhotos(
  moments: Float64Array,
  { photos, samples, clusters, clusterCount }: ContentSample,
  { colour_moments: width }: Constants,
): { mean: Rows; deviations: Rows[] } {
  const shares = Array.from({ length: photos }, () => new Float64Array(clusterCount));
  const sums = Array.from({ length: photos }, () => new Float64Array(clusterCount * width));
  for (let n = 0; n < clusters.length; n++) {
    const photo = Math.floor(n / samples);
    const row = clusters[n];
    shares[photo][row] += 1 / samples;
    for (let m = 0; m < width; m++) sums[photo][row * width + m] += moments[n * width + m] / samples;
  }
  const total = new Float64Array(clusterCount);
  for (const share of shares) share.forEach((value, row) => (total[row] += value));
  const safe = total.map((value) => Math.max(value, TINY));
  const mean = new Float64Array(clusterCount * width);
  for (const sum of sums) for (let k = 0; k < mean.length; k++) mean[k] += sum[k] / safe[Math.floor(k / width)];
  const deviations = sums.map((sum, photo) =>
    sum.map((value, k) => {
      const row = Math.floor(k / width);
      const share = shares[photo][row];
      return (value - mean[k] * share) / Math.sqrt(Math.max(share, TINY) * safe[row]);
    }),
  );
  return { mean, deviations };
}

/** What a creator's pictures have beyond `mean`, the spread of their mean, and the deviation of the noise. */
function compared(
  statistics: Float32Array[],
  mean: Rows,
  { colour_moments: width, moment_deviation: moment, small_share: small }: Constants,
): { missing: Rows; spread: Float64Array; deviation: Rows } {
  const rows = mean.length / width;
  const share = (picture: Float32Array, row: number) => picture[row * (width + 1) + width];
  const spread = new Float64Array(rows);
  const missing = new Float64Array(mean.length);
  const deviation = new Float64Array(mean.length);
  for (let row = 0; row < rows; row++) {
    const total = Math.max(TINY, statistics.reduce((sum, picture) => sum + share(picture, row), 0));
    spread[row] = Math.sqrt(statistics.reduce((sum, picture) => sum + (share(picture, row) / total) ** 2, 0));
    for (let m = 0; m < width; m++) {
      const sum = statistics.reduce((all, picture) => all + picture[row * (width + 1) + m], 0);
      missing[row * width + m] = sum / total - mean[row * width + m];
      deviation[row * width + m] = moment * Math.sqrt(1 + (small * statistics.length) / total);
    }
  }
  return { missing, spread, deviation };
}

/** Mean slopes of each cluster's moments, a row of (clusters, moments) for each function and axis. */
function slopesOf(seen: Colours, axes: number[][], content: ContentSample, constants: Constants): Rows[] {
  const { colour_moments: width, slope_samples: most, slope_step: step } = constants;
  const { colours, clusters, clusterCount } = content;
  const chosen: number[] = [];
  const counts: number[] = [];
  for (let cluster = 0; cluster < clusterCount; cluster++) {
    const own: number[] = [];
    clusters.forEach((value, n) => value === cluster && own.push(n));
    const every = Math.max(1, Math.floor(own.length / most));
    const some = own.filter((_, k) => k % every === 0).slice(0, most);
    chosen.push(...some);
    counts.push(some.length);
  }
  const at = (values: Colours, shift = [0, 0, 0]) =>
    Float32Array.from({ length: 3 * chosen.length }, (_, k) => values[3 * chosen[Math.floor(k / 3)] + (k % 3)] + shift[k % 3]);
  const basis = cosineBasis(at(colours), constants);
  const along = axes.map((axis) => {
    const [up, down] = [step, -step].map((size) => colourMoments(at(seen, axis.map((part) => size * part)), constants));
    return up.map((value, k) => (value - down[k]) / (2 * step));
  });
  const found: Rows[] = [];
  for (const wave of basis) for (const slope of along) {
    const row = new Float64Array(clusterCount * width);
    let n = 0;
    counts.forEach((count, cluster) => {
      for (const end = n + count; n < end; n++)
        for (let m = 0; m < width; m++) row[cluster * width + m] += (wave[n] * slope[n * width + m]) / count;
    });
    found.push(row);
  }
  return found;
}

/** Smooth functions at colours; see colour.cosine_basis. */
function cosineBasis(colours: Colours, { change_order: order, change_length: length }: Constants): Float64Array[] {
  const orders: number[][] = [];
  for (let r = 0; r <= order; r++)
    for (let g = 0; r + g <= order; g++) for (let b = 0; r + g + b <= order; b++) orders.push([r, g, b]);
  const spectrum = orders.map((own) => Math.exp((-((Math.PI * length) ** 2) / 2) * own.reduce((sum, k) => sum + k * k, 0)));
  const whole = spectrum.reduce((sum, value) => sum + value, 0);
  return orders.map((own, index) => {
    const scale = Math.sqrt((2 ** own.filter((k) => k > 0).length * spectrum[index]) / whole);
    return Float64Array.from({ length: colours.length / 3 }, (_, n) =>
      own.reduce((product, k, axis) => product * Math.cos(Math.PI * k * colours[3 * n + axis]), scale),
    );
  });
}

/** The weights x of least |x|² + |rows' x - wanted|². */
function leastSquares(rows: Rows[], wanted: Rows): Float64Array {
  const size = rows.length;
  const normal = new Float64Array(size * size);
  const right = new Float64Array(size);
  for (let i = 0; i < size; i++) {
    const one = rows[i];
    for (let j = 0; j <= i; j++) {
      const other = rows[j];
      let sum = i === j ? 1 : 0;
      for (let k = 0; k < one.length; k++) sum += one[k] * other[k];
      normal[i * size + j] = normal[j * size + i] = sum;
    }
    for (let k = 0; k < one.length; k++) right[i] += one[k] * wanted[k];
  }
  return solve(normal, size, right, 1);
}
