"""`influ evaluate`: how close a style comes, in figures."""

from dataclasses import asdict

from stylegan_cli.commands.common import Json, console, emit, emit_table, progress
from stylegan_cli.errors import PartialFailureError
from stylegan_cli.evaluation import EvaluationConfig, StyleReport, evaluate_styles

MAX_NAMED = 8  # pictures without their other half that are named; --json names all


def evaluate(config: EvaluationConfig, as_json: Json = False) -> None:
    """Measure how close results are to the true results, or to the creator's own pictures.

    With --paired: MAE, PSNR, SSIM, CIEDE2000, and edges, against the true results. Without:
    distances to the creator's held-out pictures, and how much of the photo's structure is kept.
    kid_lite1 is a kernel distance on EfficientNet-Lite1 features (not FID or Inception KID), and
    patch_swd is the sliced Wasserstein distance of colour patches. For photos of people: how far
    facial landmarks moved, how many faces are found again, and CIEDE2000 of the skin, as a mean and
    for the worst third by lightness. Each value is shown next to that of the unchanged photos. Exit
    codes: 0 done, 3 some pictures could not be used, 1 nothing to compare with.
    """
    with progress("stylizing and measuring") as on_progress:
        reports = evaluate_styles(config, on_progress)
    if as_json:
        emit({"styles": [_as_mapping(report) for report in reports]}, as_json)
    else:
        columns = ("style", "measure", "styled", "untouched", "better is")
        emit_table(columns, [row for report in reports for row in _rows(report)])
        for report in reports:
            _say_what_it_rests_on(report)
    failed = [sentence for report in reports for sentence in report.comparison.failed]
    if failed:
        for sentence in dict.fromkeys(failed):
            console.print(sentence, soft_wrap=True)
        raise PartialFailureError(
            f"some pictures could not be used ({len(failed)}); the figures leave them out"
        )


def _as_mapping(report: StyleReport) -> dict[str, object]:
    case, comparison = report.case, report.comparison
    return {
        "style": report.style,
        "against": "truth" if case.truths else "creator",
        "photos": comparison.photos,
        "references": len(case.references),
        "measures": {name: asdict(measure) for name, measure in comparison.measures.items()},
        "skin_terciles": [asdict(tercile) for tercile in comparison.skin],
        "notes": list(comparison.notes),
        "unmatched": [str(path) for path in case.unmatched],
        "failed": list(comparison.failed),
    }


def _rows(report: StyleReport) -> list[tuple[str, str, str, str, str]]:
    return [
        (
            report.style,
            name.replace("_", " "),
            _figure(measure.styled, measure.standard_error),
            _figure(measure.untouched),
            measure.better,
        )
        for name, measure in report.comparison.measures.items()
    ]


def _say_what_it_rests_on(report: StyleReport) -> None:
    case = report.case
    against = "their true results" if case.truths else f"{len(case.references)} held-out pictures"
    sentences = [f"{report.style}: {report.comparison.photos} photos against {against}"]
    sentences += report.comparison.notes
    if case.unmatched:
        names = [path.name for path in case.unmatched]
        more = [f"{len(names) - MAX_NAMED} more"] if len(names) > MAX_NAMED else []
        sentences.append("without their other half: " + ", ".join(names[:MAX_NAMED] + more))
    for sentence in sentences:
        console.print(sentence, soft_wrap=True)


def _figure(value: float | None, error: float | None = None) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if error is None else f"{value:.4g} ± {error:.2g}"
