/** One style, ready to repaint pictures; mirrors `stylizer.Stylizer`. */

import type { Backend, Painter } from "./backend";
import { foldStyle, mergeDeltas } from "./folding";
import type { Weights } from "./model";
import {
  type AddedRows,
  addedFromPlanes,
  bakeLut,
  bringDown,
  ColourTable,
  fitResidual,
  renderRows,
  type ResidualMaps,
  ResidualRows,
  type RowSource,
  runPainter,
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
  private readonly painters = new Map<number, Promise<Painter>>();
  private ownTable?: ColourTable;

  constructor(
    readonly style: Style,
    private readonly backend: Backend,
  ) {
    this.weights = mergeDeltas(backend.model.generator, style.deltas);
  }

  /** The look's per-pixel part. */
  get table(): ColourTable {
    this.ownTable ??= new ColourTable(bakeLut(this.fold(this.constants.lut_short_side), this.style.calibration, this.backend.model));
    return this.ownTable;
  }

  /** Run the network on a picture's working copy. */
  async prepare(source: RowSource): Promise<Prepared> {
    const { height, width } = source;
    const { mode, working_size: shortSide } = this.style.info;
    if (mode === "colour") return { height, width, maps: null, added: null };
    const size = workingSize(height, width, shortSide, this.constants);
    const working = bringDown(source, size);
    const painter = await this.painterAt(Math.min(...size));
    const { toned, residual } = await runPainter(painter, working, this.backend.model);
    const whole = wholeResidual(toned, residual);
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
      throw new Error("a picture that was painted whole has one size");
    }
    return prepared.added;
  }

  /** Rows of the picture in the look, over themselves; see rendering.renderRows. */
  render(rows: Uint8ClampedArray, top: number, width: number, added: AddedRows | null, strength: number): void {
    if (strength > 0) renderRows(rows, top, width, this.table, added, strength);
  }

  async release(): Promise<void> {
    for (const painter of this.painters.values()) await (await painter).release();
    this.painters.clear();
  }

  private get constants() {
    return this.backend.model.constants;
  }

  private painterAt(shortSide: number): Promise<Painter> {
    let painter = this.painters.get(shortSide);
    if (!painter) {
      painter = this.backend.painter(this.fold(shortSide));
      this.painters.set(shortSide, painter);
      const [oldest] = this.painters.keys();
      if (this.painters.size > 2) {
        const old = this.painters.get(oldest)!;
        this.painters.delete(oldest);
        void old.then((one) => one.release());
      }
    }
    return painter;
  }

  private fold(shortSide: number): Weights {
    const least = Math.max(this.constants.fewest_short_side, shortSide);
    return foldStyle(this.weights, this.style, this.style.code, least, this.constants);
  }
}
