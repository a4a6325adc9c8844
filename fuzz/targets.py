"""What is fuzzed: for each kind of file, its seeds and the function that reads it.

A target gets any bytes and returns, or raises an InfluError with one sentence. Whatever else it
raises, and whatever ends the process or takes too long, is a fault.
"""

import hashlib
import io
import json
import tarfile
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np
import safetensors.numpy
from PIL import Image

from stylegan_cli.batches.folders import open_folder
from stylegan_cli.batches.manifest import FolderManifest, Recipe, Row, open_manifest
from stylegan_cli.batches.outcomes import Outcome, Status
from stylegan_cli.batches.planning import Job
from stylegan_cli.batches.tar_shards import ShardStorage, stylize_shard
from stylegan_cli.clips import ClipReader
from stylegan_cli.clips.packet_files import append_packet, read_packets, read_times
from stylegan_cli.networks.architecture import (
    GeneratorConfig,
    StyleEncoderConfig,
    encoder_shapes,
    generator_shapes,
)
from stylegan_cli.pictures import encode_picture, read_picture
from stylegan_cli.preparing.manifest import (
    MANIFEST_NAME,
    Entry,
    last_line,
    read_manifest,
    write_manifest,
)
from stylegan_cli.runtime.files import SEAL, sealed
from stylegan_cli.runtime.mappings import from_mapping, load_settings
from stylegan_cli.styles import (
    METADATA_KEY,
    Base,
    Style,
    StyleInfo,
    read_info,
    read_style,
    write_style,
)
from stylegan_cli.styles.file import sum_of_tensors
from stylegan_cli.training.config import TrainingConfig
from stylegan_cli.video.segments import WorkFolder

Seeds = Mapping[str, bytes]
_RECIPE = Recipe("style", "options")


@dataclass(frozen=True, slots=True)
class Target:
    """seeds: whole files of the kind, by name. read: what may only accept or refuse."""

    seeds: Callable[[], Seeds]
    read: Callable[[bytes], object]


def targets() -> dict[str, Target]:
    """Every target by name."""
    return {
        "style_file": Target(_style_seeds, _read_style),
        "sealed_style_file": Target(_style_seeds, _read_sealed_style),
        "style_code": Target(code_seeds, _read_code),
        "data_set_manifest": Target(manifest_seeds, _read_closed_manifest),
        "batch_manifest": Target(_line_seeds, _read_lines),
        "batch_database": Target(_database_seeds, _read_database),
        "tar_shard": Target(_shard_seeds, _read_shard),
        "work_folder": Target(work_seeds, _read_sealed_work_folder),
        "packets": Target(_packet_seeds, _read_packets),
        "config": Target(_config_seeds, _read_config),
        "checkpoint": Target(_checkpoint_seeds, _read_checkpoint),
        "run_metrics": Target(lambda: {"csv": b"step,loss\n1,0.5\n2,0.25\n"}, _read_metrics),
        "kept_graph": Target(_graph_seeds, _read_graph),
        "picture": Target(_picture_seeds, _read_picture),
        "metadata": Target(_metadata_seeds, _read_picture),
        "clip": Target(_clip_seeds, _read_clip),
    }


@cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="influ-fuzz-"))


def put(name: str, data: bytes) -> Path:
    """A file with these bytes in the folder of this process."""
    path = _folder() / name
    path.write_bytes(data)
    return path


@cache
def small_base() -> Base:
    """A base of few numbers."""
    rng = np.random.default_rng(0)
    generator = GeneratorConfig(code_dim=8, base_channels=4, blocks=1, colour_channels=4)
    encoder = StyleEncoderConfig(code_dim=8, statistics_dim=294, channels=(4, 4, 4, 4), hidden=8)
    shapes = {f"generator.{name}": shape for name, shape in generator_shapes(generator).items()}
    shapes |= {f"encoder.{name}": shape for name, shape in encoder_shapes(encoder).items()}
    return Base(
        generator=generator,
        encoder=encoder,
        tensors={n: rng.normal(0, 0.1, s).astype(np.float32) for n, s in shapes.items()},
        content_colours=rng.integers(0, 256, (500, 3), dtype=np.uint8),
        prior_code_factors=np.zeros((0, 8), np.float32),
    )


def small_style() -> Style:
    """A style that has everything a style can have, on the small base."""
    rng = np.random.default_rng(1)
    return Style(
        info=StyleInfo(name="seed", licence="CC0", pictures=3, metrics={"kid": 1.5}),
        base_hash=small_base().hash,
        matrix=np.eye(3, dtype=np.float32),
        offset=np.zeros(3, np.float32),
        code=rng.normal(size=8).astype(np.float32),
        code_factors=rng.normal(size=(2, 8)).astype(np.float32),
        calibration=rng.random((2, 2, 2, 3)).astype(np.float32),
        deltas={
            "residual.conv_in.conv.weight.up": rng.normal(size=(4, 2)).astype(np.float16),
            "residual.conv_in.conv.weight.down": rng.normal(size=(2, 270)).astype(np.float16),
        },
    )


def _style_seeds() -> Seeds:
    path = _folder() / "seed.safetensors"
    write_style(small_style(), path, overwrite=True)
    return {"full": path.read_bytes()}


def _read_style(data: bytes) -> object:
    path = put("style.safetensors", data)
    return read_info(path), read_style(path, small_base())


def _read_sealed_style(data: bytes) -> object:
    """With checksums that a stranger made right, so that what follows them is reached."""
    try:
        length = int.from_bytes(data[:8], "little")
        document = json.loads(json.loads(data[8 : 8 + length])["__metadata__"][METADATA_KEY])
        tensors = safetensors.numpy.load(data)
        document = {**document, "tensors_sha256": sum_of_tensors(tensors)}
        document.pop(SEAL, None)
        data = safetensors.numpy.save(tensors, {METADATA_KEY: sealed(document)})
    except Exception:  # no file that could be sealed: read as it is
        return _read_style(data)
    return _read_style(data)


@cache
def code_seeds() -> Seeds:
    """The bytes of a style's code, before they are text."""
    from stylegan_cli.sharing import style_code

    data = style_code._packed(small_style(), small_base(), 0)
    return {"packed": data}


def _read_code(data: bytes) -> object:
    """Bytes as they are and with a right checksum, in base64, and as text."""
    import base64
    import zlib

    from stylegan_cli.sharing.style_code import read_line

    whole = zlib.crc32(data[4:]).to_bytes(4, "big") + data[4:]
    text = base64.b64encode(whole).decode().rstrip("=")
    return read_line(f"influ1:{text}", "x", small_base())


def manifest_seeds() -> Seeds:
    """The manifest of a data set."""
    folder = _folder() / "set"
    folder.mkdir(exist_ok=True)
    hashes = {"sha256": "0" * 64, "phash": "f" * 64}
    taken = Entry(name="content", source="a.jpg", output=f"train/content/{'0' * 16}.jpg", **hashes)
    rejected = Entry(name="content", source="b.mp4", sha256="", time_s=2.5, reason="unreadable")
    write_manifest(folder, [taken, rejected])
    return {"two": (folder / MANIFEST_NAME).read_bytes()}


def read_manifest_bytes(data: bytes) -> object:
    """The entries of a data set whose manifest has these bytes."""
    folder = _folder() / "set"
    folder.mkdir(exist_ok=True)
    (folder / MANIFEST_NAME).write_bytes(data)
    return read_manifest(folder)


def _read_closed_manifest(data: bytes) -> object:
    """With a last line that a stranger made right."""
    lines = data.decode(errors="replace").splitlines(keepends=True)[:-1]
    return read_manifest_bytes("".join([*lines, last_line(lines)]).encode())


def _batch_rows() -> list[Row]:
    usual = {"source": "in/a.jpg", "stamp": "12-34", "input": "aa" * 32, "result": "bb" * 32}
    failed = Row(target="out/b.jpg", source="in/b.jpg", stamp="5-6", status="failed", error="torn")
    return [Row(target="out/a.jpg", status="done", seconds=0.25, **usual), failed]


@cache
def _line_seeds() -> Seeds:
    """A file of a large batch's manifest in a folder."""
    manifest = FolderManifest(open_folder(_folder() / "lines"), _RECIPE, "seed")
    manifest.add(_batch_rows())
    manifest.close()
    return {"two": (_folder() / "lines" / "seed-00000.jsonl").read_bytes()}


def _read_lines(data: bytes) -> object:
    put("lines/seed-00000.jsonl", data)
    manifest = FolderManifest(open_folder(_folder() / "lines"), _RECIPE, "other")
    earlier = manifest.earlier("out/a.jpg", "in/a.jpg")
    manifest.close()
    return earlier


@cache
def _database_seeds() -> Seeds:
    """A large batch's manifest in SQLite."""
    manifest = open_manifest(str(_folder() / "seed.db"), _RECIPE, "seed")
    manifest.add(_batch_rows())
    manifest.close()
    return {"two": (_folder() / "seed.db").read_bytes()}


def _read_database(data: bytes) -> object:
    for name in ("rows.db-wal", "rows.db-shm"):
        (_folder() / name).unlink(missing_ok=True)
    manifest = open_manifest(str(put("rows.db", data)), _RECIPE, "other")
    try:
        earlier = manifest.earlier("out/a.jpg", "in/a.jpg")
        manifest.add(_batch_rows())
    finally:
        manifest.close()
    return earlier


@cache
def _shard_seeds() -> Seeds:
    """Plain tars of both kinds that are in use."""
    seeds = {}
    for name, format in (("gnu", tarfile.GNU_FORMAT), ("pax", tarfile.PAX_FORMAT)):
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w", format=format) as shard:
            for member in ("a/" * 60 + "1.jpg", "a/1.txt", "b.jpg"):
                about = tarfile.TarInfo(member)
                about.size, about.mtime = 700, 1.5
                shard.addfile(about, io.BytesIO(bytes(700)))
        seeds[name] = stream.getvalue()
    return seeds


def _read_shard(data: bytes) -> object:
    """Every picture comes out as it is, so that a shard of results is written, too."""

    def copied(jobs: Sequence[Job], storage: ShardStorage) -> list[Outcome]:
        for job in jobs:
            source = storage.fetch(job)
            storage.deliver(job, source, lambda stream, target: target.write(stream.read()))
        return [Outcome(job, Status.DONE) for job in jobs]

    return stylize_shard("a.tar", data, str, copied)


def work_seeds() -> Seeds:
    """The manifest of a work folder that can go on."""
    folder = _fill_work_folder()
    sums = [hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in _WORK_FILES]
    manifest = {
        "made_of": _MADE_OF,
        "memory": _WORK_FILES[0],
        "memory_sha256": sums[0],
        "segments": [{"name": _WORK_FILES[1], "frames": 3, "end": 900, "sha256": sums[1]}],
    }
    return {"one": sealed(manifest).encode()}


_MADE_OF = {"clip": "0", "style": "x", "version of influ": "0"}
_WORK_FILES = ("00000.npz", "00000.packets")


def _fill_work_folder() -> Path:
    """The work folder of a clip, with the files of one segment; those are removed if not listed."""
    folder, target = _folder() / ".influ-clip.mp4", _folder() / "clip.mp4"
    WorkFolder(target, _MADE_OF, resume=False, overwrite=True)
    with (folder / _WORK_FILES[0]).open("wb") as file:
        np.savez(file, result=np.zeros(2, np.uint8))
    (folder / _WORK_FILES[1]).write_bytes(b"packets")
    (folder / "kept").write_bytes(b"")
    return folder


def read_work_folder(data: bytes) -> object:
    """The frames that are done, and what is remembered of them."""
    (_fill_work_folder() / "manifest.json").write_bytes(data)
    with WorkFolder(_folder() / "clip.mp4", _MADE_OF, resume=True, overwrite=True) as work:
        assert (work.path / "kept").exists()
        return work.frames, work.segments, work.memory


def _read_sealed_work_folder(data: bytes) -> object:
    """With a seal that a stranger made right."""
    try:
        document = json.loads(data)
        document.pop(SEAL, None)
        data = sealed(document).encode()
    except Exception:  # no manifest that could be sealed: read as it is
        return read_work_folder(data)
    return read_work_folder(data)


@cache
def _packet_seeds() -> Seeds:
    stream = io.BytesIO()
    with av.open(io.BytesIO(_clip_seeds()["mp4"])) as clip:
        for packet in clip.demux(video=0):
            if packet.size:
                append_packet(stream, packet)
    return {"packets": stream.getvalue()}


def _read_packets(data: bytes) -> object:
    path = put("a.packets", data)
    return read_times(path), [packet.pts for packet in read_packets(path, Fraction(1, 1000))]


def _config_seeds() -> Seeds:
    return {
        "toml": b'size = 64\nsteps = 10\ngan = "hinge"\nlr-g = 1e-4\n',
        "json": b'{"size": 64, "steps": 10, "gan": "hinge", "lr_g": 0.0001}',
    }


def _read_config(data: bytes) -> object:
    suffix = "json" if data[:1] in (b"{", b"[") else "toml"
    return from_mapping(TrainingConfig, load_settings(put(f"config.{suffix}", data)))


@cache
def _checkpoint_seeds() -> Seeds:
    import torch

    from stylegan_cli.learning.checkpoints import save_checkpoint

    folder = _folder() / "seed-run"
    state = {"weight": torch.arange(4.0), "best": [{"score": 0.5}], "name": "x"}
    return {"small": save_checkpoint(folder, 1, state).read_bytes()}


def _read_checkpoint(data: bytes) -> object:
    import logging

    from stylegan_cli.learning.checkpoints import load_latest_checkpoint

    logging.getLogger("stylegan_cli").setLevel(logging.ERROR)
    folder = _folder() / "run"
    folder.mkdir(exist_ok=True)
    (folder / "checkpoint-00000001.pt").write_bytes(data)
    return load_latest_checkpoint(folder)


def _read_metrics(data: bytes) -> object:
    from stylegan_cli.learning.logging import read_metrics

    return read_metrics(put("metrics.csv", data))


def _graph_seeds() -> Seeds:
    from stylegan_cli.backends import quantised

    kept = quantised.Quantised(b"a graph", 51.0)
    path = _folder() / ("0" * 32 + ".onnx")
    quantised._keep(kept, path, 1)
    return {"kept": path.read_bytes()}


def _read_graph(data: bytes) -> object:
    from stylegan_cli.backends import quantised

    try:
        return quantised._read(put("kept.onnx", data))
    except ValueError:  # what makes it anew
        return None


def _pixels(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (24, 16, 3), dtype=np.uint8)


def _encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


@cache
def _picture_seeds() -> Seeds:
    image = Image.fromarray(_pixels())
    moving = [Image.fromarray(_pixels(seed)) for seed in (1, 2)]
    kinds = {kind: _encoded(image, kind) for kind in ("JPEG", "PNG", "BMP", "TIFF", "WEBP")}
    kinds["GIF"] = _encoded(image, "GIF", save_all=True, append_images=moving)
    kinds["APNG"] = _encoded(image, "PNG", save_all=True, append_images=moving)
    kinds["JPEG2000"] = _encoded(image, "JPEG2000")
    kinds["AVIF"] = _encoded(image, "AVIF")
    kinds["PNG16"] = _encoded(Image.fromarray(_pixels()[..., 0].astype(np.uint16) * 257), "PNG")
    return kinds


@cache
def _metadata_seeds() -> Seeds:
    from PIL import ImageCms

    image = Image.fromarray(_pixels())
    exif = Image.Exif()
    exif[0x010E], exif[0x0112] = "a description", 6
    exif.get_ifd(0x8825)[1] = "N"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-'
    xmp += (
        b'rdf-syntax-ns#"><rdf:Description rdf:about="" xmlns:exif="http://ns.adobe.com/exif/1.0/"'
    )
    xmp += b' exif:GPSLatitude="1,2N"/></rdf:RDF></x:xmpmeta>'
    extras = {"exif": exif.tobytes(), "icc_profile": profile, "xmp": xmp}
    tags = {"exif": exif.tobytes(), "icc_profile": profile}
    return {
        "JPEG": _encoded(image, "JPEG", **extras),
        "WEBP": _encoded(image, "WEBP", **extras),
        "PNG": _encoded(image, "PNG", **tags),
        "TIFF": _encoded(image, "TIFF", **tags),
    }


def _read_picture(data: bytes) -> object:
    picture = read_picture(data, max_pixels=1_000_000)
    return len(encode_picture(picture, picture.source_format))


@cache
def _clip_seeds() -> Seeds:
    return {suffix: _clip(suffix) for suffix in ("mp4", "mkv", "avi", "mov")}


def _clip(suffix: str) -> bytes:
    stream = io.BytesIO()
    kinds = {"mkv": "matroska"}
    with av.open(stream, "w", format=kinds.get(suffix, suffix)) as clip:
        pictures = clip.add_stream("mpeg4" if suffix == "avi" else "libx264", rate=10)
        pictures.width, pictures.height, pictures.pix_fmt = 32, 32, "yuv420p"
        for seed in range(3):
            frame = av.VideoFrame.from_ndarray(
                _pixels(seed).repeat(2, 1)[:32, :32].repeat(2, 0)[:32]
            )
            clip.mux(pictures.encode(frame))
        clip.mux(pictures.encode(None))
    return stream.getvalue()


def _read_clip(data: bytes) -> object:
    with ClipReader(put("clip.bin", data)) as reader:
        count = 0
        for count, _ in zip(range(50), reader, strict=False):  # noqa: B007
            pass
        return count
