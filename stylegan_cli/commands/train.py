"""`influ train`: refine a creator's look from a folder of their pictures, and register it."""

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from stylegan_cli.commands.common import (
    Device,
    Json,
    Overwrite,
    console,
    emit,
    progress,
    say_hidden,
)

if TYPE_CHECKING:
    from stylegan_cli.preparing.layout import TrainingData
    from stylegan_cli.styles import Style
    from stylegan_cli.training import TrainingConfig, TrainingResult

# A resumed run keeps its settings; these do not change what is learnt.
_FREE_ON_RESUME = ("time_limit_s", "sample_every", "save_every", "patience")


def train(
    data: Annotated[
        Path,
        typer.Option(
            "--data",
            exists=True,
            file_okay=False,
            show_default=False,
            help="Pictures of one creator, what prep wrote, or content/ and a folder per creator.",
        ),
    ],
    content: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            file_okay=False,
            show_default="the folder's own, or the starter photos",
            help="Photos.",
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(show_default="the folder's", help="What the style is called.")
    ] = None,
    out: Annotated[Path | None, typer.Option(show_default="runs/NAME", help="Run folder.")] = None,
    time_limit: Annotated[
        str | None, typer.Option(show_default="30m", help="Of training: 90s, 2m, 0.5h.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(show_default="what fits the time", help="Instead of a time limit.")
    ] = None,
    size: Annotated[int | None, typer.Option(show_default="128", help="Crops, px.")] = None,
    batch: Annotated[int | None, typer.Option(show_default="4", help="Crops per step.")] = None,
    lr_g: Annotated[
        float | None, typer.Option(show_default="0.0003", help="Learning rate of the painter.")
    ] = None,
    lr_d: Annotated[
        float | None,
        typer.Option(show_default="0.0004", help="Learning rate of the discriminators."),
    ] = None,
    gan: Annotated[
        Literal["hinge", "lsgan", "bce"] | None,
        typer.Option(show_default="hinge", help="What the discriminators are scored by."),
    ] = None,
    penalty: Annotated[
        Literal["none", "r1"] | None,
        typer.Option(show_default="none", help="Gradient penalty of the pixel discriminator."),
    ] = None,
    lambda_cycle: Annotated[
        float | None, typer.Option(show_default="0", help="Weight of the way back.")
    ] = None,
    lambda_identity: Annotated[
        float | None, typer.Option(show_default="0", help="Weight of leaving their own pictures.")
    ] = None,
    lambda_content: Annotated[
        float | None, typer.Option(show_default="4", help="Weight of keeping the photo's shapes.")
    ] = None,
    z_dim: Annotated[
        int | None, typer.Option(show_default="4", help="Directions of the creator's variety.")
    ] = None,
    ema: Annotated[
        float | None, typer.Option(show_default="0.998", help="Decay of the averaged weights.")
    ] = None,
    pool: Annotated[
        int | None,
        typer.Option(show_default="50", help="Earlier results shown to the discriminator."),
    ] = None,
    augment: Annotated[
        Literal["auto", "on", "off"] | None,
        typer.Option(
            show_default="auto", help="Vary what the discriminator sees; auto: small folders."
        ),
    ] = None,
    precision: Annotated[
        Literal["auto", "fp32", "bf16"] | None,
        typer.Option(show_default="auto", help="bf16 where the processor has it."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(show_default="0", help="Every random draw depends on it.")
    ] = None,
    init: Annotated[
        str | None,
        typer.Option(
            metavar="base|MODEL|linear|none",
            show_default="base",
            help="Begin at the instant style on the shipped base or a model's, at the closed "
            "form with a fresh network, or at nothing.",
        ),
    ] = None,
    sample_every: Annotated[
        int | None, typer.Option(show_default="250", help="Steps between sample sheets.")
    ] = None,
    save_every: Annotated[
        int | None, typer.Option(show_default="250", help="Steps between checkpoints.")
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(show_default="6", help="Judgings without a gain before it ends; 0: never."),
    ] = None,
    config_file: Annotated[
        Path | None,
        typer.Option(
            "--config",
            exists=True,
            dir_okay=False,
            help="TOML file with settings, or a run's config.json.",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where the run in --out stopped.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, train nothing.")
    ] = False,
    overwrite: Overwrite = False,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Refine a creator's look: instant style first, then minutes of training; use it by name.

    At the time limit, or after --steps, the best is kept and registered, so that
    `influ stylize photo.jpg --style NAME` works next. Ctrl-C saves; --resume goes on.
    """
    from stylegan_cli.config import from_mapping, load_settings, parse_duration
    from stylegan_cli.errors import InterruptedByUserError, UsageError
    from stylegan_cli.runtime.devices import resolve_device
    from stylegan_cli.training import TrainingConfig

    told = {
        "init": init,
        "steps": steps,
        "time_limit_s": parse_duration(time_limit) if time_limit else None,
        "size": size,
        "batch": batch,
        "lr_g": lr_g,
        "lr_d": lr_d,
        "gan": gan,
        "penalty": penalty,
        "lambda_cycle": lambda_cycle,
        "lambda_identity": lambda_identity,
        "lambda_content": lambda_content,
        "z_dim": z_dim,
        "ema": ema,
        "pool": pool,
        "augment": augment,
        "precision": precision,
        "seed": seed,
        "sample_every": sample_every,
        "save_every": save_every,
        "patience": patience,
    }
    if steps is not None and time_limit is not None:
        raise UsageError("a run ends after --steps or at its --time-limit: give one of them")
    settings = load_settings(config_file) if config_file else {}
    settings |= {key: value for key, value in told.items() if value is not None}
    place = resolve_device(device, needs_torch=True)
    pictures = _find(data, content, name)
    run_dir = _run_folder(out, pictures, data, resume, overwrite)
    if resume:
        config = _resumed_config(run_dir, settings)
    else:
        config = from_mapping(TrainingConfig, settings)
    if dry_run:
        emit(_plan(pictures, run_dir, config, place), as_json)
        return
    again = _words_again(data, content, name, run_dir, place)
    outcome = _refine(
        run_dir, pictures, config, place, resume=resume, overwrite=overwrite, again=again
    )
    if outcome.stopped:
        words = [*_words(data, content, name), "--out", str(run_dir), "--resume"]
        words += ["--device", device] if device != "auto" else []
        words += ["--overwrite"] if overwrite else []
        raise InterruptedByUserError(
            f"stopped and saved after {outcome.steps} steps; go on with: {shlex.join(words)}"
        )
    emit(_registered(outcome, run_dir, overwrite), as_json)


def refined(
    instant: "Style",
    pictures: Sequence[Path],
    photos: Sequence[Path],
    *,
    minutes: float,
    model: Path | None,
    run_dir: Path | None,
    device: str,
    overwrite: bool,
) -> "Style":
    """`instant` after some minutes of training, or itself where they did not make it better.

    run_dir: where the run stays, with its report; a temporary folder where None.
    Raises OutputExistsError for a folder that is in use, InterruptedByUserError after Ctrl-C.
    """
    from tempfile import TemporaryDirectory

    from stylegan_cli.errors import InterruptedByUserError, OutputExistsError
    from stylegan_cli.preparing.layout import data_of_one
    from stylegan_cli.runtime.devices import resolve_device
    from stylegan_cli.training import TrainingConfig

    place = resolve_device(device, needs_torch=True)
    if run_dir and _is_used(run_dir) and not overwrite:
        raise OutputExistsError(f"{run_dir} is not empty; name another folder with --run")
    config = TrainingConfig(init=str(model) if model else "base", time_limit_s=60 * minutes)
    data = data_of_one(instant.name, pictures, photos)
    with TemporaryDirectory(prefix="influ-") as temporary:
        folder = run_dir or Path(temporary)
        outcome = _refine(folder, data, config, place, overwrite=overwrite)
    if outcome.stopped:
        kept = f"; the run is kept in {run_dir}" if run_dir else ""
        raise InterruptedByUserError(
            f"stopped after {outcome.steps} steps, no style was added{kept}; "
            "run it again without --minutes for the instant style"
        )
    (style,) = outcome.model.styles
    if not style.info.refined:
        console.print(f"{style.name}: nothing beat its instant style, which is kept")
        return instant
    info = replace(style.info, pictures=instant.info.pictures, licence=instant.info.licence)
    return replace(style, info=info)


def _refine(
    run_dir: Path,
    pictures: "TrainingData",
    config: "TrainingConfig",
    device: str,
    *,
    resume: bool = False,
    overwrite: bool = False,
    again: Sequence[str] = (),
) -> "TrainingResult":
    """One run with its progress on the terminal."""
    from stylegan_cli.learning.checkpoints import opened_run
    from stylegan_cli.training import REPORT_NAME, open_run, refine

    with opened_run(run_dir, resume=resume, overwrite=overwrite):
        with progress("reading pictures") as on_progress:
            run = open_run(
                run_dir,
                pictures,
                config,
                device=device,
                resume=resume,
                again=again,
                on_progress=on_progress,
            )
        console.print(f"refining; follow it in {run_dir / REPORT_NAME}, Ctrl-C stops")
        with progress("refining") as on_progress:
            return refine(run, on_progress)


def _words_again(
    data: Path, content: Path | None, name: str | None, run_dir: Path, device: str
) -> list[str]:
    """The command that repeats a run, but for its number of steps."""
    from stylegan_cli.learning.checkpoints import CONFIG_NAME
    from stylegan_cli.runtime.devices import resolve_threads

    words = [*_words(data, content, name), "--device", device]
    words += ["--threads", str(resolve_threads(None))]
    return [*words, "--config", str(run_dir / CONFIG_NAME)]


def _words(data: Path, content: Path | None, name: str | None) -> list[str]:
    """The command with the pictures that it was given."""
    words = ["influ", "train", "--data", str(data)]
    words += ["--content", str(content)] if content else []
    words += ["--name", name] if name else []
    return words


def _find(data: Path, content: Path | None, name: str | None) -> "TrainingData":
    """The pictures to train on, the creator called `name` if told."""
    from stylegan_cli.errors import UsageError
    from stylegan_cli.preparing.layout import find_training_data
    from stylegan_cli.runtime.resources import starter_dir
    from stylegan_cli.styles import check_name

    pictures = find_training_data(data, content, starter_dir())
    if name is not None and len(pictures.creators) > 1:
        names = ", ".join(creator.name for creator in pictures.creators)
        raise UsageError(f"--name is for one creator, and {data} has several: {names}")
    if name is not None:
        pictures = replace(pictures, creators=(replace(pictures.creators[0], name=name),))
    for creator in pictures.creators:
        try:
            check_name(creator.name)
        except UsageError as error:
            remedy = "give the style one with --name" if name is None else "choose another"
            raise UsageError(f"{error}; {remedy}") from None
    return pictures


def _run_folder(
    out: Path | None, pictures: "TrainingData", data: Path, resume: bool, overwrite: bool
) -> Path:
    """Where the run goes: never into another run's folder, unless told to."""
    from stylegan_cli.errors import OutputExistsError, UsageError
    from stylegan_cli.learning.checkpoints import has_checkpoint

    one = len(pictures.creators) == 1
    named = Path("runs") / (pictures.creators[0].name if one else data.resolve().name)
    siblings = [named, *(named.with_name(f"{named.name}-{n}") for n in range(2, 1000))]
    if resume:
        candidates = [out] if out else [folder for folder in siblings if has_checkpoint(folder)]
        if not candidates or not has_checkpoint(candidates[-1]):
            raise UsageError(f"{out or named} holds no run to resume; leave out --resume")
        return candidates[-1]
    if out is None and not overwrite:
        return next(folder for folder in siblings if not _is_used(folder))
    chosen = out or named
    if _is_used(chosen) and not overwrite:
        raise OutputExistsError(
            f"{chosen} is not empty; go on with --resume, begin again with --overwrite, "
            "or name another folder with --out"
        )
    return chosen


def _is_used(folder: Path) -> bool:
    return folder.exists() and (not folder.is_dir() or any(folder.iterdir()))


def _resumed_config(run_dir: Path, settings: dict[str, Any]) -> "TrainingConfig":
    """The settings the run was started with; raises ConfigError where others are asked for."""
    from stylegan_cli.config import from_mapping
    from stylegan_cli.errors import ConfigError
    from stylegan_cli.learning.checkpoints import load_config
    from stylegan_cli.training import TrainingConfig

    stored = from_mapping(TrainingConfig, load_config(run_dir))
    asked = from_mapping(TrainingConfig, settings)
    for key in settings:
        key = key.replace("-", "_")
        if key not in _FREE_ON_RESUME and getattr(asked, key) != getattr(stored, key):
            raise ConfigError(
                f"the run in {run_dir} has {key} {getattr(stored, key)} and keeps it; "
                "leave the option out, or begin a new run"
            )
    free = {k: getattr(asked, k) for k in _FREE_ON_RESUME if k in settings}
    return replace(stored, **free)


def _plan(
    pictures: "TrainingData", run_dir: Path, config: "TrainingConfig", device: str
) -> dict[str, Any]:
    """What would be done."""
    from stylegan_cli.config import to_mapping

    return {
        "run": str(run_dir),
        "device": device,
        "content": len(pictures.content),
        "creators": {creator.name: len(creator.pictures) for creator in pictures.creators},
        "held_out": {creator.name: len(creator.held_out) for creator in pictures.creators},
        "settings": to_mapping(config),
    }


def _registered(outcome: "TrainingResult", run_dir: Path, overwrite: bool) -> dict[str, Any]:
    """Put each style into the user's folder; returns what to say of it."""
    from stylegan_cli.backends import open_backend
    from stylegan_cli.learning.checkpoints import BEST_NAME
    from stylegan_cli.sharing.preview import write_preview
    from stylegan_cli.styles import free_name, read_model, register, shipped_model

    result: dict[str, Any] = {"run": str(run_dir), "steps": outcome.steps}
    for style in outcome.model.styles:
        if not style.info.refined:
            console.print(f"{style.name}: nothing beat its instant style, which is kept")
    styles = outcome.model.styles
    if outcome.model.base.hash != read_model(shipped_model()).base.hash:
        # Styles are found by name for the shipped base alone; this one has a base of its own.
        result["styles"] = [style.name for style in styles]
        model = run_dir / BEST_NAME
        result["next"] = f"influ stylize photo.jpg --model {model} --style {styles[0].name}"
        return result
    names = []
    backend = open_backend(outcome.model.base)
    for style in styles:
        name = style.name if overwrite else free_name(style.name)
        if name != style.name:
            console.print(f"you have a style {style.name} already; this one is called {name}")
        path = register(style.renamed(name), overwrite=overwrite)
        write_preview(outcome.model.base, style, backend, path)
        say_hidden(name)
        names.append(name)
    return result | {"styles": names, "next": f"influ stylize photo.jpg --style {names[0]}"}
