"""A model as the page in the browser reads it: two safetensors files beside the built page.

`stylize.safetensors` is all that stylizing takes: generator, creators, their pictures.
`learn.safetensors` is what making a style takes beside it: encoder, content colours, photos.
The page repeats the arithmetic of this package; every number that it shares with it is written
here, under the page's own names, so that a change of a Python name or value ends in this module.
"""

import contextlib
import hashlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from stylegan_cli import colour
from stylegan_cli.backends import build_graph, open_backend
from stylegan_cli.errors import OutputExistsError, StyleFileError, WriteError
from stylegan_cli.instant import colour_correction, colour_estimation, encoding
from stylegan_cli.instant.config import DEFAULTS as INSTANT
from stylegan_cli.instant.render_mode import render_mode_photos
from stylegan_cli.networks import architecture
from stylegan_cli.networks.estimator_graphs import colour_head_graph, colour_statistics_graph
from stylegan_cli.pictures import read_rgb
from stylegan_cli.pictures.pages import jpeg_within
from stylegan_cli.rendering import guided_maps, lut
from stylegan_cli.rendering.config import DEFAULTS as RENDERING
from stylegan_cli.runtime.files import claimed, make_folder, path_inside, write_atomically
from stylegan_cli.runtime.randomness import derive_seed, numpy_generator
from stylegan_cli.runtime.resources import page_dir, starter_photos
from stylegan_cli.runtime.version import __version__
from stylegan_cli.sharing import entropy_coding, style_code
from stylegan_cli.styles import METADATA_KEY, Base, ColourEstimator, Model, write_style
from stylegan_cli.stylizer import Stylizer

STYLIZE, LEARN = "stylize.safetensors", "learn.safetensors"
MODEL_FOLDER = "model"
SERVICE_WORKER = "service.js"
PAGE_METADATA_KEY = "influ-page"
PREVIEW_SIDE = 320  # px
PREVIEW_PHOTO = 0  # of those that choose a render mode
MAX_ROTATIONS = 30

Arrays = dict[str, np.ndarray]


def check_folder(folder: Path, *, overwrite: bool = False) -> None:
    """Raises StyleFileError where the page was not built, OutputExistsError for a full folder."""
    built_page()
    if folder.exists() and any(folder.iterdir()) and not overwrite:
        raise OutputExistsError(f"{folder} is not empty; name a new folder or add --overwrite")


def write_page(files: Mapping[str, bytes], folder: Path, *, overwrite: bool = False) -> int:
    """Write the page and the files of `page_model` into `folder`, ready for any static host.

    Returns the bytes written. Raises as check_folder, WriteError where a link leads out of it,
    BusyError where another process writes there.
    """
    check_folder(folder, overwrite=overwrite)
    whole = _built_files(files) | {f"{MODEL_FOLDER}/{name}": data for name, data in files.items()}
    make_folder(folder)
    with claimed(folder):
        for name, data in whole.items():
            target = path_inside(folder, name, WriteError)
            make_folder(target.parent)
            write_atomically(target, data, overwrite=overwrite)
    return sum(map(len, whole.values()))


def _built_files(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files of the built page by name, with a name for the model in its service worker.

    Browsers that keep the page see by that name whether the model is new.
    """
    page = built_page()
    built = {
        path.relative_to(page).as_posix(): path.read_bytes()
        for path in sorted(page.rglob("*"))
        if path.is_file()
    }
    digest = hashlib.sha256(b"".join(files.values())).hexdigest()[:16]
    built[SERVICE_WORKER] = built[SERVICE_WORKER].replace(b"{model}", digest.encode())
    return built


def built_page() -> Path:
    """The folder of the built page. Raises StyleFileError where there is none."""
    page = page_dir()
    if not (page / "index.html").is_file():
        raise StyleFileError(
            "the page is not part of this installation; in a clone with Node.js build it "
            "with: make web"
        )
    return page


def page_model(model: Model) -> dict[str, bytes]:
    """The two files of a model for the page, by name."""
    return {STYLIZE: _stylize_file(model), LEARN: _learn_file(model.base)}


def _stylize_file(model: Model) -> bytes:
    base = model.base
    graph, weights = _graph_with_offsets(build_graph(base, "generator"))
    tensors: Arrays = {"graph/generator": graph}
    tensors |= {
        f"generator/{name}": value.astype(np.float16)
        for name, value in base.generator_tensors.items()
    }
    backend = open_backend(base)
    photo = read_rgb(render_mode_photos()[PREVIEW_PHOTO], INSTANT.render_mode.learned_size)
    tensors["photo.jpg"] = _bytes(render_mode_photos()[PREVIEW_PHOTO].read_bytes())
    tensors["preview/before.jpg"] = _bytes(jpeg_within(photo, PREVIEW_SIDE))
    with tempfile.TemporaryDirectory() as folder:
        for index, style in enumerate(model.styles):
            file = Path(folder) / f"{index}.safetensors"
            # The page has no strokes.
            write_style(replace(style, exemplars=None).with_info(strokes=0.0), file)
            tensors[f"creator/{index}"] = _bytes(file.read_bytes())
            preview = _preview(
                Stylizer(base, style, backend, grain=0.0, halation=0.0, strokes=0.0), photo
            )
            tensors[f"preview/{index}.jpg"] = _bytes(preview)
    document = {
        "version": __version__,
        "base_hash": base.hash,
        "style_metadata_key": METADATA_KEY,
        "generator": {
            "code_dim": base.generator.code_dim,
            "reach": base.generator.reach,
            "weights": weights,
        },
        "creators": len(model.styles),
        "lut_colours": _seeded_state(0),
        "constants": _stylizing_constants(),
    }
    return _file(tensors, document)


def _preview(stylizer: Stylizer, photo: np.ndarray) -> bytes:
    """The photo in a style, as a small JPEG; kept, as stylizing all styles takes seconds."""
    from platformdirs import user_cache_path

    folder = user_cache_path("influ", appauthor=False) / "previews"
    path = folder / f"{stylizer.fingerprint}-{PREVIEW_SIDE}.jpg"
    with contextlib.suppress(OSError):
        return path.read_bytes()
    data = jpeg_within(stylizer.stylize(photo), PREVIEW_SIDE)
    with contextlib.suppress(OSError, WriteError):  # whatever is not kept is stylized again
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, data, overwrite=True)
    return data


def _learn_file(base: Base) -> bytes:
    tensors: Arrays = {
        "content_colours": base.content_colours,
        "prior_code_factors": base.prior_code_factors.astype(np.float32),
        "rotations": _rotations(),
        "line_order": _order("colours of a line", len(base.content_colours)),
        "tile_choices": _tile_choices(),
        "stylized_choices": _stylized_choices(),
    }
    encoder: dict[str, Any] = {}
    for name in ("features", "head"):
        graph, encoder[name] = _graph_with_offsets(build_graph(base, name))
        tensors[f"graph/{name}"] = graph
        tensors |= {
            f"encoder/{part}": value.astype(np.float16)
            for part, value in base.encoder_part(f"{name}.").items()
        }
    estimator: dict[str, Any] = {}
    if base.colour_estimator:
        tensors |= _estimator_tensors(base.colour_estimator, estimator)
    # As files, which are smaller; browsers decode them with the library that Python does.
    for index, path in enumerate(starter_photos()):
        tensors[f"starter/{index}.jpg"] = _bytes(path.read_bytes())
    for index, path in enumerate(render_mode_photos()):
        tensors[f"render_mode/{index}.jpg"] = _bytes(path.read_bytes())
    measured = [starter_photos().index(path) for path in style_code.measured_photos()]
    document = {
        "base_hash": base.hash,
        "encoder": encoder,
        "colour_estimator": estimator,
        "creator_colours": _generator_state("creator colours"),
        "starter": len(starter_photos()),
        "render_mode": len(render_mode_photos()),
        "measured": measured,
        "constants": _learning_constants(),
    }
    return _file(tensors, document)


def _estimator_tensors(estimator: ColourEstimator, document: dict[str, Any]) -> Arrays:
    """Its graphs and weights; `document` gets its config and the offsets of the weights."""
    config = estimator.config
    document |= {"lut_points": config.lut_size, "photos": config.photos}
    document["clusters"] = config.clusters
    graphs = {
        "colour_statistics": colour_statistics_graph(config),
        "colour_head": colour_head_graph(config),
    }
    tensors = {
        f"colour_estimator/{name}": value.astype(np.float16)
        for name, value in estimator.tensors.items()
        if not name.startswith(("balance.", "content.", "hand."))
    }
    for name in ("colours", "clusters") if config.photos else ():
        tensors[f"content/{name}"] = estimator.tensors[f"content.{name}"]
    for name in ("head.centre", "head.scale"):
        tensors[f"colour_estimator/{name}"] = estimator.tensors[name]
    for name, graph in graphs.items():
        tensors[f"graph/{name}"], document[name] = _graph_with_offsets(graph)
    return tensors


def _stylizing_constants() -> dict[str, float]:
    return {
        "leak": architecture.LEAK,
        "gain": architecture.GAIN,
        "stride": architecture.STRIDE,
        "lut_points": lut.LUT_SIZE,
        "fine_lut_points": lut.FINE_LUT_SIZE,
        "border": RENDERING.border,
        "tile": RENDERING.tile,
        "max_working_pixels": RENDERING.max_working_pixels,
        "guide_share": guided_maps.GUIDE_SHARE,
        "guide_noise": guided_maps.GUIDE_NOISE,
        "min_short_side": 16,
        "max_short_side": architecture.LARGEST_SHORT_SIDE,
        "lut_short_side": 256,
    }


def _learning_constants() -> dict[str, float]:
    refinement, render_mode = INSTANT.refinement, INSTANT.render_mode
    calibration, variation = INSTANT.calibration, INSTANT.variation
    distribution = INSTANT.out_of_distribution
    return {
        "read_short_side": architecture.READ_SHORT_SIDE,
        "read_tile": architecture.READ_TILE,
        "read_long_side": encoding.READ_LONG_SIDE,
        "set_colours": encoding.SET_COLOURS,
        "quantiles": colour.QUANTILES,
        "luma_bands": colour.LUMA_BANDS,
        "refinement_tiles": refinement.tiles,
        "tiles_per_picture": refinement.tiles_per_picture,
        "min_tiles": refinement.min_tiles,
        "refinement_share": refinement.share,
        "min_for_second_step": refinement.min_for_second_step,
        "check_every": refinement.check_every,
        "learned_size": render_mode.learned_size,
        "photographic_size": render_mode.photographic_sizes[0],
        "large_photographic_size": render_mode.photographic_sizes[1],
        "drawn_size": render_mode.drawn_sizes[-1],
        "max_unseen_residual": render_mode.max_unseen_residual,
        "photographic_db": render_mode.photographic_db,
        "drawn_db": render_mode.drawn_db,
        "same_drawing_db": render_mode.same_drawing_db,
        "calibration_pictures": calibration.pictures,
        "photos_per_picture": calibration.photos_per_picture,
        "min_photos": calibration.min_photos,
        "calibration_points": calibration.points,
        "estimate_share": calibration.estimate_share,
        "max_left_out_residual": calibration.max_left_out_residual,
        "half_estimate_residual": calibration.half_estimate_residual,
        "half_transfer_pictures": calibration.half_transfer_pictures,
        "half_transfer_residual": calibration.half_transfer_residual,
        "residual_growth": calibration.residual_growth,
        "boosting_steps": calibration.boosting_steps,
        "min_colours": calibration.min_colours,
        "max_deviation": distribution.max_deviation,
        "min_drawn": distribution.min_drawn,
        "max_drawn": distribution.max_drawn,
        "out_of_distribution_tiles": distribution.tiles,
        "min_pictures": distribution.min_pictures,
        "clip_deviations": architecture.CLIP_DEVIATIONS,
        "estimator_short_side": colour_estimation.SHORT_SIDE,
        "estimator_long_side": colour_estimation.LONG_SIDE,
        "estimator_alignment": colour_estimation.ALIGNMENT,
        "moment_shrinkage": colour_estimation.SHRINKAGE,
        "colour_moments": architecture.COLOUR_MOMENTS,
        "luma_knots": architecture.LUMA_KNOTS,
        "change_order": colour_correction.ORDER,
        "change_length": colour_correction.LENGTH,
        "luma_deviation": colour_correction.LUMA_DEVIATION,
        "chroma_deviation": colour_correction.CHROMA_DEVIATION,
        "moment_deviation": colour_correction.MOMENT_DEVIATION,
        "small_share": colour_correction.SMALL_SHARE,
        "slope_samples": colour_correction.SLOPE_SAMPLES,
        "slope_step": colour_correction.SLOPE_STEP,
        "transfer_misfit": colour_estimation.TRANSFER_MISFIT,
        "half_gain_pictures": colour_correction.HALF_GAIN_PICTURES,
        "variation_rank": variation.rank,
        "variation_shrinkage": variation.shrinkage,
        "variation_min_pictures": variation.min_pictures,
        "variation_max_pictures": variation.max_pictures,
        "line_faithful_db": style_code.FAITHFUL_DB,
        "line_photo_size": style_code.MEASURED_SIZE,
        "line_map_step": style_code.MAP_STEP,
        "line_coarse_step": style_code.COARSE_STEP,
        "line_fine_step": style_code.FINE_STEP,
        "line_coarse_points": style_code.COARSE_POINTS,
        "line_coarse_pull": style_code.COARSE_PULL,
        "line_fine_pull": style_code.FINE_PULL,
        "line_fitted_colours": style_code.FITTED_COLOURS,
        "line_even_points": style_code.EVEN_POINTS,
        "line_largest": entropy_coding.LARGEST,
        "line_first_count": entropy_coding._LIKELIER,
        "line_count_step": entropy_coding._LEARNING,
    } | {
        f"line_rung_{index}_{field}": value
        for index, rung in enumerate(style_code.RUNGS)
        for field, value in (("step", rung.code_step), ("points", rung.points))
    }


def _graph_with_offsets(graph: bytes) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """A graph whose weights have offsets in one float32 file `weights`, and those offsets.

    Returns the graph's bytes, and name, offset in floats and shape of each weight.
    """
    import onnx

    read = onnx.ModelProto.FromString(graph)
    weights, offset = [], 0
    for tensor in read.graph.initializer:
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            continue
        shape = list(tensor.dims)
        count = int(np.prod(shape))
        weights.append({"name": tensor.name, "offset": offset, "shape": shape})
        del tensor.external_data[:]
        for key, value in (("location", "weights"), ("offset", 4 * offset), ("length", 4 * count)):
            tensor.external_data.add(key=key, value=str(value))
        offset += count
    return _bytes(read.SerializeToString()), weights


def _rotations() -> np.ndarray:
    """(MAX_ROTATIONS, 3, 3) float64: the directions that colour transfer and distance go by."""
    return np.stack([colour._random_rotation(seed) for seed in range(MAX_ROTATIONS)])


def _order(purpose: str, count: int) -> np.ndarray:
    return numpy_generator(0, 0, purpose).permutation(count).astype(np.int32)


def _tile_choices() -> np.ndarray:
    """(N, 2): photo and tile of each tile of starter photos that a style is refined on."""
    photos = encoding.read_all(starter_photos())
    rng = numpy_generator(0, 0, "some tiles")
    count = min(INSTANT.refinement.tiles, len(photos))
    share = INSTANT.refinement.tiles // count
    chosen = []
    for index in range(count):
        photo = index * len(photos) // count
        tiles = rng.permutation(len(encoding._tiles(photos[photo])))[:share]
        chosen += [(photo, tile) for tile in tiles]
    return np.array(chosen, np.int32)


def _stylized_choices() -> np.ndarray:
    """(N, 2): photo and pixel of each colour that tells what a residual adds."""
    photos = encoding.read_all(starter_photos())
    count = min(INSTANT.calibration.pictures, len(photos))
    rng = numpy_generator(0, 0, "painted colours")
    share = -(-2 * encoding.SET_COLOURS // count)
    chosen = []
    for index in range(count):
        photo = index * len(photos) // count
        pixels = rng.integers(0, photos[photo].shape[0] * photos[photo].shape[1], share)
        chosen.append(np.stack([np.full(share, photo), pixels], 1))
    return np.concatenate(chosen).astype(np.int32)


def _generator_state(purpose: str) -> dict[str, str]:
    """Where numpy's generator begins for a purpose."""
    return _seeded_state(derive_seed(0, 0, purpose))


def _seeded_state(seed: int) -> dict[str, str]:
    """State and increment of PCG64 for a seed, as decimal numbers: they have 128 bits."""
    state: Mapping[str, Any] = np.random.PCG64(seed).state
    return {key: str(value) for key, value in state["state"].items()}


def _bytes(data: bytes) -> np.ndarray:
    return np.frombuffer(data, np.uint8)


def _file(tensors: Arrays, document: Mapping[str, Any]) -> bytes:
    contiguous = {name: np.ascontiguousarray(value) for name, value in tensors.items()}
    return save(contiguous, metadata={PAGE_METADATA_KEY: json.dumps(document)})
