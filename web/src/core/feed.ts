/** What a feed of photos in one style looks like together: the colour of skin and of neutral things. */

import type { Pixels } from "./rendering";

export type Lab = [number, number, number];

const FEWEST = 60; // pixels; fewer say nothing

/** sRGB, 8 bits, to CIELAB (D65). */
export function labOf(r: number, g: number, b: number): Lab {
  const linear = [r, g, b].map((value) => {
    const unit = value / 255;
    return unit <= 0.04045 ? unit / 12.92 : ((unit + 0.055) / 1.055) ** 2.4;
  });
  const x = (0.4124564 * linear[0] + 0.3575761 * linear[1] + 0.1804375 * linear[2]) / 0.95047;
  const y = 0.2126729 * linear[0] + 0.7151522 * linear[1] + 0.072175 * linear[2];
  const z = (0.0193339 * linear[0] + 0.119192 * linear[1] + 0.9503041 * linear[2]) / 1.08883;
  const [fx, fy, fz] = [x, y, z].map((value) => (value > 0.008856 ? Math.cbrt(value) : 7.787 * value + 16 / 116));
  return [116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)];
}

/**
 * Mean colour, in the stylized photo, of what is skin or neutral in the photo.
 *
 * Skin by its chroma (Chai & Ngan 1999: Cb 77 to 127, Cr 133 to 173), neutral by a chroma below 8 in CIELAB.
 */
export function feedColours(photo: Pixels, stylized: Pixels): { skin: Lab | null; neutral: Lab | null } {
  const sums = { skin: [0, 0, 0, 0], neutral: [0, 0, 0, 0] };
  for (let k = 0; k < photo.data.length; k += 4) {
    const [r, g, b] = [photo.data[k], photo.data[k + 1], photo.data[k + 2]];
    const cb = 128 - 0.168736 * r - 0.331264 * g + 0.5 * b;
    const cr = 128 + 0.5 * r - 0.418688 * g - 0.081312 * b;
    const [light, a, bb] = labOf(r, g, b);
    const skin = cb >= 77 && cb <= 127 && cr >= 133 && cr <= 173;
    const neutral = Math.hypot(a, bb) < 8 && light > 15 && light < 95;
    if (!skin && !neutral) continue;
    const lab = labOf(stylized.data[k], stylized.data[k + 1], stylized.data[k + 2]);
    const sum = skin ? sums.skin : sums.neutral;
    lab.forEach((value, c) => (sum[c] += value));
    sum[3]++;
  }
  const mean = ([l, a, b, n]: number[]): Lab | null => (n < FEWEST ? null : [l / n, a / n, b / n]);
  return { skin: mean(sums.skin), neutral: mean(sums.neutral) };
}

/** How far colours lie from their mean, on average (CIE76), and how far each does; null without two. */
export function spreadOf(colours: (Lab | null)[]): { mean: number; each: (number | null)[] } | null {
  const known = colours.filter((one): one is Lab => one !== null);
  if (known.length < 2) return null;
  const middle = [0, 1, 2].map((c) => known.reduce((sum, one) => sum + one[c], 0) / known.length);
  const each = colours.map((one) => one && Math.hypot(...one.map((value, c) => value - middle[c])));
  return { mean: each.reduce((sum: number, far) => sum + (far ?? 0), 0) / known.length, each };
}

/** The photo that stands out of the others most, by skin and neutral together; null where none does. */
export function outlierOf(spreads: ({ each: (number | null)[] } | null)[], count: number): number | null {
  const far = Array.from({ length: count }, (_, k) => Math.max(0, ...spreads.map((spread) => spread?.each[k] ?? 0)));
  const sorted = [...far].sort((a, b) => a - b);
  const median = sorted[count >> 1];
  const worst = far.indexOf(Math.max(...far));
  return count >= 3 && far[worst] > 5 && far[worst] > 1.6 * median ? worst : null;
}
