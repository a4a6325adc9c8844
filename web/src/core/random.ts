/** numpy's PCG64 and the two draws that making a style takes from it, bit for bit. */

const MASK_64 = (1n << 64n) - 1n;
const MASK_128 = (1n << 128n) - 1n;
const MULTIPLIER = 47026247687942121848144207491837523525n; // O'Neill 2014, PCG_DEFAULT_MULTIPLIER_128

export class RandomGenerator {
  private state: bigint;
  private readonly increment: bigint;
  private waiting: number | undefined; // the upper half of a draw, for the next 32 bits

  /** state: where numpy's generator begins, as decimal numbers. */
  constructor(state: { state: string; inc: string }) {
    this.state = BigInt(state.state);
    this.increment = BigInt(state.inc);
  }

  private next64(): bigint {
    this.state = (this.state * MULTIPLIER + this.increment) & MASK_128;
    const mixed = ((this.state >> 64n) ^ this.state) & MASK_64;
    const turn = this.state >> 122n;
    return ((mixed >> turn) | (mixed << (-turn & 63n))) & MASK_64;
  }

  private next32(): number {
    if (this.waiting !== undefined) {
      const kept = this.waiting;
      this.waiting = undefined;
      return kept;
    }
    const drawn = this.next64();
    this.waiting = Number(drawn >> 32n);
    return Number(drawn & 0xffffffffn);
  }

  /** A float32 in [0, 1). */
  float(): number {
    return (this.next32() >>> 8) / 16777216;
  }

  /** An integer from 0 to `most`, both included (Lemire 2019). */
  private bounded(most: number): number {
    if (most === 0) return 0;
    const range = most + 1;
    const [high, low] = product(this.next32(), range);
    let [result, rest] = [high, low];
    if (rest < range) {
      const threshold = (4294967296 - range) % range;
      while (rest < threshold) [result, rest] = product(this.next32(), range);
    }
    return result;
  }

  /** An integer from 0 to `most`, by the bits that it has and rejection: how numpy shuffles. */
  private masked(most: number): number {
    const mask = 2 ** (32 - Math.clz32(most)) - 1;
    for (;;) {
      const drawn = (this.next32() & mask) >>> 0;
      if (drawn <= most) return drawn;
    }
  }

  /** `count` integers below `limit`. */
  integers(limit: number, count: number): Int32Array {
    return Int32Array.from({ length: count }, () => this.bounded(limit - 1));
  }

  /** 0 to `count` - 1 in random order. */
  permutation(count: number): Int32Array {
    const order = Int32Array.from({ length: count }, (_, index) => index);
    for (let place = count - 1; place > 0; place--) {
      const other = this.masked(place);
      [order[place], order[other]] = [order[other], order[place]];
    }
    return order;
  }
}

/** High and low 32 bits of the product of two 32-bit numbers. */
function product(first: number, second: number): [number, number] {
  const upper = (first >>> 16) * second;
  const lower = (first & 0xffff) * second;
  const low = (upper % 65536) * 65536 + lower;
  return [Math.floor(upper / 65536) + Math.floor(low / 4294967296), low % 4294967296];
}
