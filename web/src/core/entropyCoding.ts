/** Small integers in few bytes; mirrors sharing.entropy_coding. One BigInt, probabilities that both sides count. */

import type { Constants } from "./model";

export function encodeIntegers(blocks: number[][], constants: Constants): Uint8Array {
  const intervals = blocks.flatMap((block) => intervalsOf(block, constants));
  let state = 1n;
  for (const [count, below, total] of intervals.reverse()) {
    const size = BigInt(count);
    state = (state / size) * BigInt(total) + BigInt(below) + (state % size);
  }
  const digits = state.toString(16);
  const hex = digits.length % 2 ? `0${digits}` : digits;
  return Uint8Array.from({ length: hex.length / 2 }, (_, k) => parseInt(hex.slice(2 * k, 2 * k + 2), 16));
}

export function decodeIntegers(bytes: Uint8Array, lengths: number[], constants: Constants): number[][] {
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  let state = BigInt(`0x${hex || "0"}`);
  return lengths.map((length) => {
    const counts = firstCounts(constants);
    let total = counts.reduce((sum, count) => sum + count, 0);
    const block: number[] = [];
    for (let k = 0; k < length; k++) {
      const slot = Number(state % BigInt(total));
      let [symbol, below] = [0, 0];
      while (below + counts[symbol] <= slot) below += counts[symbol++];
      state = (state / BigInt(total)) * BigInt(counts[symbol]) + BigInt(slot - below);
      counts[symbol] += constants.line_count_step;
      total += constants.line_count_step;
      block.push(symbol - constants.line_largest);
    }
    return block;
  });
}

function intervalsOf(block: number[], constants: Constants): [number, number, number][] {
  const counts = firstCounts(constants);
  let total = counts.reduce((sum, count) => sum + count, 0);
  return block.map((number) => {
    const symbol = number + constants.line_largest;
    let below = 0;
    for (let k = 0; k < symbol; k++) below += counts[k];
    const interval: [number, number, number] = [counts[symbol], below, total];
    counts[symbol] += constants.line_count_step;
    total += constants.line_count_step;
    return interval;
  });
}

function firstCounts(constants: Constants): number[] {
  return Array.from({ length: 2 * constants.line_largest + 1 }, (_, k) => {
    const far = Math.abs(k - constants.line_largest);
    return Math.max(1, far > 30 ? 0 : constants.line_first_count >> far);
  });
}
