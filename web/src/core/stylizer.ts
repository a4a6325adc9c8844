/** One style, ready to stylize pictures; mirrors `stylizer.Stylizer`. */

import type { Backend, StyleGenerator } from "./backend";
import { foldStyle, mergeDeltas } from "./folding";
import type { Weights } from "./model";
import {
  type AddedRows,
  addedFromPlanes,
  bakeCoarseLut,
  bakeLut,
  bringDown,
  ColourTable,
  fitResidual,
  renderRows,
  type ResidualMaps,
  ResidualRows,
  type RowSource,
  runGenerator,
  wholeResidual,
  workingSize,
} from "./rendering";
import type { Style } from "./styleFile";

/** What a style adds to one picture in space: good for the picture at its own size and smaller. */
export interface Prepared {
  height: number;
  width: number;
  maps: ResidualMaps | null; // of a picture larger than its working copy
  added: AddedRows | null; // of one that is not
}

export class Stylizer {
  private readonly weights: Weights;
  private readonly generators = new Map<number, Promise<StyleGenerator>>();
  private ownTable?: ColourTable;
  private ownCoarseTable?: ColourTable;

  constructor(
    readonly style: Style,
    private readonly backend: Backend,
  ) {
    this.weights = mergeDeltas(backend.model.generator, style.deltas);
  }

  /** The style's per-pixel part. */
  get table(): ColourTable {
    this.ownTable ??= new ColourTable(bakeLut(this.fold(this.constants.lut_short_side), this.style.calibration, this.backend.model));
    return this.ownTable;
  }

  /** The same with as few points as a table ever has: near it, and there at once. */
  get coarseTable(): ColourTable {
    if (this.ownTable) return this.ownTable;
    const folded = this.fold(this.constants.lut_short_side);
    this.ownCoarseTable ??= new ColourTable(bakeCoarseLut(folded, this.style.calibration, this.constants));
    return this.ownCoarseTable;
  }

  /** Run the network on a picture's working copy. */
  async prepare(source: RowSource): Promise<Prepared> {
    const { height, width } = source;
    const { mode, working_size: shortSide } = this.style.info;
    if (mode === "colour") return { height, width, maps: null, added: null };
    const size = workingSize(height, width, shortSide, this.constants);
    const working = bringDown(source, size);
    const generator = await this.generatorAt(Math.min(...size));
    const { baseColour, residual } = await runGenerator(generator, working, this.backend.model);
    const whole = wholeResidual(baseColour, residual);
    if (size[0] === height && size[1] === width) return { height, width, maps: null, added: addedFromPlanes(whole) };
    return { height, width, maps: fitResidual(working, whole, this.constants), added: null };
  }

  /** Who adds the residual to the rows of a picture, at the size it was prepared at or a smaller one. */
  rowsFor(prepared: Prepared, height: number, width: number): AddedRows | null {
    if (prepared.maps) {
      const rows = new ResidualRows(prepared.maps, height, width);
      return (y, picture, out) => rows.row(y, picture, out);
    }
    if (prepared.added && (height !== prepared.height || width !== prepared.width)) {
      throw new Error("a picture that was stylized whole has one size");
    }
    return prepared.added;
  }

  /** Rows of the picture in the style, over themselves; see rendering.renderRows. */
  render(rows: Uint8ClampedArray, top: number, width: number, added: AddedRows | null, strength: number): void {
    if (strength > 0) renderRows(rows, top, width, this.table, added, strength);
  }

  async release(): Promise<void> {
    for (const generator of this.generators.values()) await (await generator).release();
    this.generators.clear();
  }

  private get constants() {
    return this.backend.model.constants;
  }

  private generatorAt(shortSide: number): Promise<StyleGenerator> {
    let generator = this.generators.get(shortSide);
    if (!generator) {
      generator = this.backend.generator(this.fold(shortSide));
      this.generators.set(shortSide, generator);
      const [oldest] = this.generators.keys();
      if (this.generators.size > 2) {
        const old = this.generators.get(oldest)!;
        this.generators.delete(oldest);
        void old.then((one) => one.release());
      }
    }
    return generator;
  }

  private fold(shortSide: number): Weights {
    const least = Math.max(this.constants.min_short_side, shortSide);
    return foldStyle(this.weights, this.style, this.style.code, least, this.constants);
  }
}
