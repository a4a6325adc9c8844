/** In a worker: tables on the graphics processor against the same on the processor. */

import { lattice } from "../src/core/colour";
import { ColourOnGpu } from "../src/core/colourOnGpu";
import { ColourTable } from "../src/core/rendering";

const [width, height] = [640, 400];

function compare(gpu: ColourOnGpu, points: number, strength: number): { near: number; worst: number; changed: number } {
  const data = lattice(points).map((value, k) => 0.95 * value ** 1.4 + 0.08 * Math.sin(k)); // beyond black and white, too
  const rows = Uint8ClampedArray.from({ length: 4 * width * height }, (_, k) => Math.imul(k + 1, 2654435761) >>> 24);
  const [here, there] = [rows.slice(), rows.slice()];
  new ColourTable({ points, data }).apply(here, width, strength);
  if (!gpu.apply({ points, data }, there, width, strength)) throw new Error("the graphics processor failed");
  const off = here.map((value, k) => Math.abs(value - there[k]));
  const share = (wanted: (value: number, k: number) => boolean) => off.filter(wanted).length / off.length;
  return { near: share((value) => value <= 1), worst: off.reduce((most, value) => Math.max(most, value), 0), changed: share((_, k) => here[k] !== rows[k]) };
}

// In the page the processor is taken where there is no graphics processor, as here.
async function opened(): Promise<ColourOnGpu | null> {
  for (let tries = 0; tries < 40; tries++) {
    const gpu = ColourOnGpu.open(true);
    if (gpu) return gpu;
    await new Promise((resolve) => setTimeout(resolve, 500)); // the browser's graphics are still starting
  }
  return null;
}

void opened().then((gpu) => self.postMessage(gpu && [[33, 1], [65, 1], [33, 0.4]].map(([points, strength]) => compare(gpu, points, strength))));
