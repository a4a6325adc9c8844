"""`influ pretrain`: make the base from photos and endless random looks."""

from pathlib import Path
from typing import Annotated

import typer

from stylegan_cli.commands.common import (
    Device,
    Json,
    Overwrite,
    Seed,
    console,
    emit,
    is_typed,
    progress,
)


def pretrain(
    context: typer.Context,
    content: Annotated[
        list[Path],
        typer.Option(
            "--content", exists=True, file_okay=False, help="Folder of photos; repeatable."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="Run folder.")] = Path("runs/base"),
    steps: Annotated[int | None, typer.Option(min=1, help="Instead of a time limit.")] = None,
    time_limit: Annotated[str, typer.Option(help="Like 90s, 30m or 10h.")] = "10h",
    size: Annotated[int, typer.Option(help="Crops, px; a multiple of 8.")] = 96,
    batch: Annotated[int, typer.Option(min=1, help="Looks drawn per step.")] = 8,
    lr_g: Annotated[float, typer.Option(help="Learning rate.")] = 1e-3,
    ema: Annotated[float, typer.Option(help="Decay of the averaged weights.")] = 0.998,
    warmup: Annotated[int, typer.Option(min=0, help="Steps of rising learning rate.")] = 100,
    decay_from: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the steps after which it falls.")
    ] = 0.6,
    precision: Annotated[str, typer.Option(help="auto, fp32 or bf16.")] = "auto",
    processes: Annotated[
        int, typer.Option(min=0, help="That share each step's looks; 0 for one per core.")
    ] = 0,
    seed: Seed = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the run stopped.")] = False,
    init: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Model file to start from.")
    ] = None,
    sample_every: Annotated[int, typer.Option(help="Steps between sample sheets.")] = 500,
    save_every: Annotated[int, typer.Option(help="Steps between checkpoints.")] = 100,
    config_file: Annotated[
        Path | None, typer.Option("--config", exists=True, help="TOML file with these settings.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, train nothing.")
    ] = False,
    overwrite: Overwrite = False,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Make a base: one network that reads a look from pictures and paints it on others."""
    from stylegan_cli.config import from_mapping, load_toml, parse_duration, to_mapping
    from stylegan_cli.errors import InterruptedByUserError, OutputExistsError, UsageError
    from stylegan_cli.learning.checkpoints import has_checkpoint, load_config, opened_run
    from stylegan_cli.pretraining import PretrainConfig, pictures_by_domain
    from stylegan_cli.pretraining import pretrain as run_pretraining
    from stylegan_cli.runtime.devices import resolve_device

    options = {
        "steps": steps,
        "time_limit_s": parse_duration(time_limit),
        "size": size,
        "looks": batch,
        "lr": lr_g,
        "ema": ema,
        "warmup": warmup,
        "decay_from": decay_from,
        "precision": precision,
        "processes": processes,
        "seed": seed,
        "sample_every": sample_every,
        "save_every": save_every,
    }
    # What is typed goes before the file, that before what a resumed run had, that before defaults.
    spelt = {"looks": "batch", "lr": "lr_g", "time_limit_s": "time_limit"}
    typed = {k: v for k, v in options.items() if is_typed(context, spelt.get(k, k))}
    settings = load_toml(config_file) if config_file else {}
    before = load_config(out) if resume and has_checkpoint(out) else {}
    config = from_mapping(PretrainConfig, options | before | settings | typed)
    device = resolve_device(device, needs_torch=True)
    if resume and not has_checkpoint(out):
        raise UsageError(f"{out} holds no run to resume; leave out --resume")
    if has_checkpoint(out) and not (resume or overwrite):
        raise OutputExistsError(f"{out} holds a run already; add --resume or --overwrite")
    domains = pictures_by_domain(content)
    counts = {name: len(paths) for name, paths in domains.items()}
    if dry_run:
        plan = {"run": str(out), "pictures": counts, "device": device}
        emit(plan | {"settings": to_mapping(config)}, as_json)
        return
    tensors = None
    if init is not None:
        from stylegan_cli.styles import read_model

        tensors = read_model(init).base.tensors
    console.print(f"Pre-training on {sum(counts.values())} pictures into {out}")
    with (
        opened_run(out, resume=resume, overwrite=overwrite),
        progress("pre-training") as on_progress,
    ):
        done = run_pretraining(
            domains,
            out,
            config,
            device=device,
            resume=resume,
            init=tensors,
            on_progress=on_progress,
        )
    if not done:
        raise InterruptedByUserError(f"stopped and saved; add --resume --out {out} to go on")
    emit({"run": str(out), "next": f"influ export {out} -o base.safetensors"}, as_json)
