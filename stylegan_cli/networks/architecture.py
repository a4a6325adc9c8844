"""What it takes to rebuild the networks, without torch: configs and the shape of every tensor."""

from collections.abc import Iterator
from dataclasses import dataclass

from stylegan_cli.errors import ConfigError

Shapes = dict[str, tuple[int, ...]]

# Plain ReLUs of a network without normalisation die within a thousand steps, and stay dead.
LEAK = 0.2
GAIN = (2 / (1 + LEAK**2)) ** 0.5  # makes up for what a leaky unit takes away (He et al. 2015)
# A file must not be able to ask for a network without end.
MAX_BLOCKS = 64
MAX_STAGES = 16
MAX_SIZE = 8192  # channels, units and the like
STRIDE = 8  # the generator halves a picture three times
BAND_GAIN = 16.0  # brings bands of luma to a deviation of about 1
BANDS = 3  # of the photo's luma, for the residual; the coarsest is of pictures halved three times
CLIP_DEVIATIONS = 6.0  # standard deviations at which inputs of a head are clipped
MAX_LUT_SIZE = 65
MAX_CONTENT_PHOTOS = 10_000
MAX_CLUSTERS = 256  # which a byte tells apart
PROBES_PER_CHANNEL = 2  # mixtures of a stage's channels whose moments the style encoder takes, too

# How the style encoder meets every picture, in training and in use: moments of a whole picture are
# not those of its tiles, which have more padding; read whole, a sketch comes out 6 dB worse.
READ_SHORT_SIDE = 256  # px
READ_TILE = 96  # px

# Pre-training shows no larger short side: beyond it the generator would draw another style.
LARGEST_SHORT_SIDE = 512  # px


def _require_size(config: object, names: tuple[str, ...]) -> None:
    for name in names:
        value = getattr(config, name)
        if not 1 <= value <= MAX_SIZE:
            raise ConfigError(f"{name} must be from 1 to {MAX_SIZE}, got {value!s:.20}")


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorConfig:
    """What it takes to rebuild a Generator."""

    code_dim: int = 128
    base_channels: int = 32  # at half resolution; doubles at each downsampling
    blocks: int = 2  # residual blocks at an eighth of the resolution
    colour_channels: int = 32  # width of the per-pixel network

    def __post_init__(self) -> None:
        _require_size(self, ("code_dim", "base_channels", "colour_channels"))
        if not 1 <= self.blocks <= MAX_BLOCKS:
            raise ConfigError(f"blocks must be from 1 to {MAX_BLOCKS}, got {self.blocks!s:.20}")

    @property
    def reach(self) -> int:
        """How far a result pixel sees at most, in px; a multiple of STRIDE."""
        # Two 3x3 convolutions per block at an eighth of the size; the others see 32 px together.
        # A band sees two pixels of the coarsest size, bilinear enlarging one more on each side of
        # features at an eighth and a quarter of the size.
        bands = enlarging = 2 * STRIDE
        return 2 * STRIDE * self.blocks + 32 + bands + enlarging

    @property
    def residual_channels_in(self) -> int:
        """Input channels of the residual at half the size: base colour, photo, bands of luma."""
        return 24 + 3 + BANDS


@dataclass(frozen=True, slots=True, kw_only=True)
class StyleEncoderConfig:
    """What it takes to rebuild a StyleEncoder."""

    code_dim: int = 128
    statistics_dim: int  # length of colour.style_statistics
    channels: tuple[int, ...] = (32, 64, 96, 128)  # at 1/2, 1/4, 1/8, 1/16
    hidden: int = 384

    def __post_init__(self) -> None:
        _require_size(self, ("code_dim", "statistics_dim", "hidden"))
        if not 1 <= len(self.channels) <= MAX_STAGES or not all(
            1 <= wide <= MAX_SIZE for wide in self.channels
        ):
            raise ConfigError(
                f"channels must be 1 to {MAX_STAGES} numbers from 1 to {MAX_SIZE}, "
                f"got {self.channels!s:.40}"
            )

    @property
    def probes(self) -> tuple[int, ...]:
        """How many mixtures of each stage's channels moments are taken of, beside the channels."""
        return tuple(PROBES_PER_CHANNEL * wide for wide in self.channels)

    @property
    def moments_dim(self) -> int:
        """First and second moment of every channel and of every probe of every stage."""
        return 2 * (sum(self.channels) + sum(self.probes))


def generator_shapes(config: GeneratorConfig) -> Shapes:
    """Name and shape of every tensor of a Generator, as torch's state_dict has them."""
    return dict(_colour_shapes(config)) | dict(_residual_shapes(config))


def encoder_shapes(config: StyleEncoderConfig) -> Shapes:
    """Name and shape of every tensor of a StyleEncoder."""
    shapes: Shapes = {}
    wide_in = 12
    for index, wide in enumerate(config.channels):
        shapes |= _conv(f"features.stages.{index}.0", wide_in, wide, 3)
        shapes |= _conv(f"features.stages.{index}.2", wide, wide, 3)
        wide_in = wide
    for index, count in enumerate(config.probes):
        shapes |= _conv(f"features.probes.{index}.0", config.channels[index], count, 1)
    head_in = config.moments_dim + config.statistics_dim
    shapes |= {"head.centre": (head_in,), "head.scale": (head_in,)}
    for index, rows, columns in (
        (0, head_in, config.hidden),
        (3, config.hidden, config.hidden),
        (5, config.hidden, config.code_dim),
    ):
        shapes[f"head.layers.{index}.weight"] = (columns, rows)
        shapes[f"head.layers.{index}.bias"] = (columns,)
    norm = {f"head.layers.1.{part}": (config.hidden,) for part in ("weight", "bias")}
    return shapes | norm


def folded_shapes(config: GeneratorConfig) -> Shapes:
    """Name and shape of every tensor of a FoldedGenerator."""
    shapes = generator_shapes(config)
    weights = {n: shape for n, shape in shapes.items() if n.endswith(".conv.weight")}
    biases = {n.removesuffix("weight") + "bias": shape[:1] for n, shape in weights.items()}
    return weights | biases | _conv("map", 3, 3, 1)


def _colour_shapes(config: GeneratorConfig) -> Iterator[tuple[str, tuple[int, ...]]]:
    wide = config.colour_channels
    for name, channels in (("conv_in", 6), ("middle", wide)):
        yield from _modulated(f"colour.{name}", channels, wide, 1, config.code_dim).items()
    yield from _gated("colour.conv_out", wide, 3, 1, config.code_dim).items()


def _residual_shapes(config: GeneratorConfig) -> Iterator[tuple[str, tuple[int, ...]]]:
    one, two, four = (config.base_channels * factor for factor in (1, 2, 4))
    plan = [
        ("conv_in", config.residual_channels_in, one),
        ("down_two", one, two),
        ("down_four", two, four),
    ]
    for index in range(config.blocks):
        plan += [(f"blocks.{index}.first", four, four), (f"blocks.{index}.second", four, four)]
    plan += [("up_two", four, two), ("up_one", two, one), ("finish", one, one)]
    for name, channels_in, channels_out in plan:
        yield from _modulated(
            f"residual.{name}", channels_in, channels_out, 3, config.code_dim + 1
        ).items()
    yield from _gated("residual.conv_out", one, 12, 3, config.code_dim + 1).items()


def _modulated(name: str, channels_in: int, channels_out: int, size: int, condition: int) -> Shapes:
    return {
        f"{name}.conv.weight": (channels_out, channels_in, size, size),
        f"{name}.style.weight": (channels_in + channels_out, condition),
        f"{name}.style.bias": (channels_in + channels_out,),
    }


def _gated(name: str, channels_in: int, channels_out: int, size: int, condition: int) -> Shapes:
    return _conv(f"{name}.conv", channels_in, channels_out, size) | {
        f"{name}.gate.weight": (channels_in + 2 * channels_out, condition),
        f"{name}.gate.bias": (channels_in + 2 * channels_out,),
    }


def _conv(name: str, channels_in: int, channels_out: int, size: int) -> Shapes:
    return {
        f"{name}.weight": (channels_out, channels_in, size, size),
        f"{name}.bias": (channels_out,),
    }


# EfficientNet-Lite0 up to its stage at stride 16 (Tan & Le 2019, table 1, without
# squeeze-and-excitation): expansion, kernel size, stride, channels and repeats of each stage.
VISION_STAGES = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
)
VISION_STEM = 32  # channels, at stride 2
VISION_CHANNELS = (40, 112)  # of the two stages in use, at strides 8 and 16
VISION_MOMENTS = 2 * (16 + 24 + 40 + 112)  # see estimator_graphs.vision_moments_graph
HAND_INPUTS = 2 * VISION_MOMENTS  # of a picture at two sizes
VISION_CELL = 8  # px, the finer of the two strides
LUMA_KNOTS = 6  # Gaussian bins over luma
COLOUR_MOMENTS = 9 + 3 * LUMA_KNOTS  # see estimator_graphs.colour_statistics_graph


@dataclass(frozen=True, slots=True, kw_only=True)
class ColourEstimatorConfig:
    """What it takes to rebuild a ColourEstimator."""

    clusters: int = 48  # of what the frozen network sees
    hidden: int = 768
    components: int = 96  # principal components of looks
    lut_size: int = 17  # points per channel
    photos: int = 0  # of content, that estimates are compared with; 0: none
    samples: int = 128  # colours of each of these photos
    tells_hands: bool = False  # whether it tells pictures made by hand (instant.hand)

    def __post_init__(self) -> None:
        _require_size(self, ("clusters", "hidden", "components", "samples"))
        if self.clusters > MAX_CLUSTERS:
            raise ConfigError(f"clusters must be at most {MAX_CLUSTERS}, got {self.clusters}")
        if not 0 <= self.photos <= MAX_CONTENT_PHOTOS:
            raise ConfigError(f"photos must be from 0 to {MAX_CONTENT_PHOTOS}, got {self.photos}")
        if not 2 <= self.lut_size <= MAX_LUT_SIZE:
            raise ConfigError(f"lut_size must be from 2 to {MAX_LUT_SIZE}, got {self.lut_size}")

    @property
    def inputs(self) -> int:
        """Length of the head's input: moments and mass of each cluster and of all, and a count."""
        return (self.clusters + 1) * COLOUR_MOMENTS + self.clusters + 1


@dataclass(frozen=True, slots=True)
class InvertedResidual:
    """One block of EfficientNet-Lite: channels in, inside and out; kernel size and stride."""

    channels_in: int
    channels_inside: int
    channels_out: int
    size: int
    stride: int


def vision_blocks() -> list[InvertedResidual]:
    """All blocks of VISION_STAGES in order."""
    blocks, wide = [], VISION_STEM
    for expansion, size, stride, channels, repeats in VISION_STAGES:
        for index in range(repeats):
            first = stride if index == 0 else 1
            blocks.append(InvertedResidual(wide, expansion * wide, channels, size, first))
            wide = channels
    return blocks


def colour_statistics_shapes(config: ColourEstimatorConfig) -> Shapes:
    """Name and shape of every tensor that reads pictures: the frozen network and its clusters."""
    shapes = _conv("vision.stem", 1, VISION_STEM, 3)
    for index, block in enumerate(vision_blocks()):
        name, inside = f"vision.blocks.{index}", block.channels_inside
        if inside != block.channels_in:
            shapes |= _conv(f"{name}.expand", block.channels_in, inside, 1)
        shapes |= _conv(f"{name}.depthwise", 1, inside, block.size)
        shapes |= _conv(f"{name}.project", inside, block.channels_out, 1)
    return shapes | _conv("vision.clusters", sum(VISION_CHANNELS), config.clusters, 1)


def hand_shapes(config: ColourEstimatorConfig) -> Shapes:
    """Name and shape of every tensor that tells pictures made by hand, if it does."""
    if not config.tells_hands:
        return {}
    inputs = (HAND_INPUTS,)
    return {"hand.centre": inputs, "hand.scale": inputs, "hand.weight": inputs, "hand.bias": (1,)}


def colour_head_shapes(config: ColourEstimatorConfig) -> Shapes:
    """Name and shape of every tensor that makes a LUT of the statistics."""
    shapes: Shapes = {"head.centre": (config.inputs,), "head.scale": (config.inputs,)}
    layers = {
        "first": (config.inputs, config.hidden),
        "second": (config.hidden, config.hidden),
        "third": (config.hidden, config.hidden),
        "last": (config.hidden, config.components),
    }
    for name, (rows, columns) in layers.items():
        shapes |= {f"head.{name}.weight": (columns, rows), f"head.{name}.bias": (columns,)}
    shapes |= {"balance.weight": (3, config.inputs), "balance.bias": (3,)}
    points = config.lut_size**3
    return shapes | {"lut.components": (config.components, points, 3), "lut.mean": (points, 3)}


def content_sample_shapes(config: ColourEstimatorConfig) -> Shapes:
    """Name and shape of the sample of content photos, unsigned integers."""
    if not config.photos:
        return {}
    shape = (config.photos, config.samples)
    return {"content.colours": (*shape, 3), "content.clusters": shape}
