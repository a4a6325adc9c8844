/** The colour part of a style for other programs (Cube LUT 1.0); mirrors sharing.cube_file. */

import type { Lut } from "./colour";

/** As many points as the table, red the fastest, encoded sRGB on both sides. */
export function cubeText({ points, data }: Lut, name: string, version: string): string {
  const title = Array.from(name).filter((sign) => sign !== '"' && !/\p{C}/u.test(sign)).join("");
  const lines = [
    `# The colour part of a style by influ ${version}: sRGB in, sRGB out`,
    `TITLE "${title}"`,
    `LUT_3D_SIZE ${points}`,
    "DOMAIN_MIN 0.0 0.0 0.0",
    "DOMAIN_MAX 1.0 1.0 1.0",
  ];
  for (let b = 0; b < points; b++)
    for (let g = 0; g < points; g++)
      for (let r = 0; r < points; r++) {
        const at = 3 * ((r * points + g) * points + b);
        lines.push([0, 1, 2].map((c) => data[at + c].toFixed(6)).join(" "));
      }
  return `${lines.join("\n")}\n`;
}
