"""Settings of an instant style: what was tuned once, for any creator."""

from typing import Annotated

from stylegan_cli.runtime.config import config_class, file_option


@config_class
class RefinementConfig:
    """A code corrected by the code of its own results; see code_refinement."""

    tiles: Annotated[int, file_option("Tiles of content, at most.", at_least=1, at_most=10_000)] = (
        128
    )
    tiles_per_picture: Annotated[
        int,
        file_option(
            "Tiles for each of the creator's pictures: few pictures tell a code roughly.",
            at_least=1,
            at_most=10_000,
        ),
    ] = 8
    min_tiles: Annotated[
        int, file_option("Tiles for a single picture.", at_least=1, at_most=10_000)
    ] = 32
    share: Annotated[
        float,
        file_option(
            "Of the difference between a code and the code of its results.", at_least=0, at_most=1
        ),
    ] = 0.5
    min_for_second_step: Annotated[
        int,
        file_option(
            "Pictures from which a second step gains more than it costs.",
            at_least=1,
            at_most=1_000_000,
        ),
    ] = 20
    check_every: Annotated[
        int, file_option("One tile in this many validates a step.", at_least=1, at_most=10_000)
    ] = 4


@config_class
class RenderModeConfig:
    """How the render mode and the working size are chosen; see render_mode.

    Sizes are short sides of working copies in px, the cheapest first.
    """

    photographic_sizes: Annotated[
        tuple[int, ...], file_option("For styles that draw nothing.", at_least=8, at_most=4096)
    ] = (256, 384)
    learned_size: Annotated[
        int, file_option("The largest that pre-training shows.", at_least=8, at_most=4096)
    ] = 512
    drawn_sizes: Annotated[
        tuple[int, ...], file_option("For styles that draw.", at_least=8, at_most=4096)
    ] = (512, 768)
    max_unseen_residual: Annotated[
        float,
        # To leave it out costs 0.1 dB of a result that is 32 dB from the truth, and instant styles
        # are rarely closer.
        file_option("Root mean square, unit; a weaker residual is left out.", at_least=0),
    ] = 0.004
    photographic_db: Annotated[
        float, file_option("PSNR of a residual rebuilt from a working copy against itself.")
    ] = 36.0
    drawn_db: Annotated[
        float, file_option("Below this PSNR, larger working sizes are not tried.")
    ] = 30.0
    same_drawing_db: Annotated[
        float, file_option("PSNR of a larger result, brought down, against one as learned.")
    ] = 30.0


@config_class
class OutOfDistributionConfig:
    """When a closed form may be nearer to a style than the network; see out_of_distribution."""

    # 0.2 to 1 for the synthetic looks of pre-training, 0.3 to 1.1 for painters, up to 6 for kinds
    # that it never met (docs/research/design.md).
    max_deviation: Annotated[
        float,
        file_option(
            "Mean square of the encoder head's inputs, in deviations over pre-training.", at_least=0
        ),
    ] = 1.3
    min_drawn: Annotated[
        float,
        file_option("A style with a weaker residual gains nothing over a closed form.", at_least=0),
    ] = 0.01
    max_drawn: Annotated[
        float, file_option("A style with a stronger one was encoded well enough.", at_least=0)
    ] = 0.1
    tiles: Annotated[
        int, file_option("Tiles to compare on, at most.", at_least=1, at_most=10_000)
    ] = 32
    min_pictures: Annotated[
        int,
        file_option(
            "With fewer, the test is unreliable and is skipped.", at_least=1, at_most=1_000_000
        ),
    ] = 18


@config_class
class CalibrationConfig:
    """The LUT that brings a style's colours to where they are expected; see calibration.

    Residuals are root mean squares of unit colours.
    """

    pictures: Annotated[
        int, file_option("Content photos whose residuals are measured.", at_least=1, at_most=10_000)
    ] = 24
    photos_per_picture: Annotated[
        int,
        file_option("Such photos for each of the creator's pictures.", at_least=1, at_most=10_000),
    ] = 2
    min_photos: Annotated[
        int, file_option("Such photos for a single picture.", at_least=1, at_most=10_000)
    ] = 8
    points: Annotated[
        int,
        file_option("Per channel, of the LUT; 17 take 29 kB of a file.", at_least=2, at_most=65),
    ] = 17
    estimate_share: Annotated[
        float,
        file_option(
            "Share of the estimated colours where nothing is drawn; the rest are the network's.",
            at_least=0,
            at_most=1,
        ),
    ] = 0.93
    max_left_out_residual: Annotated[
        float,
        file_option("A weaker residual of a style that draws nothing is left out.", at_least=0),
    ] = 0.03
    half_estimate_residual: Annotated[
        float, file_option("Residual at which that share halves.", above=0)
    ] = 0.03
    half_transfer_pictures: Annotated[
        int,
        file_option(
            "Number of pictures at which the transfer gets half the weight.",
            at_least=1,
            at_most=1_000_000,
        ),
    ] = 200
    half_transfer_residual: Annotated[
        float,
        file_option("Residual at which that weight halves: lines depend on people, too.", above=0),
    ] = 0.1
    residual_growth: Annotated[
        int,
        file_option("Power of the residual by which that weight falls.", at_least=0, at_most=100),
    ] = 4
    boosting_steps: Annotated[
        int,
        file_option(
            "Kernel regressions of what is left (twicing, Tukey 1977).", at_least=0, at_most=100
        ),
    ] = 8
    min_colours: Annotated[
        float, file_option("Colours at a point of the LUT that are too few to go by.", above=0)
    ] = 0.1


@config_class
class VariationConfig:
    """How the codes of single pictures make a creator's variation; see variation."""

    rank: Annotated[int, file_option("Directions, at most.", at_least=1, at_most=64)] = 4
    shrinkage: Annotated[float, file_option("Share of the measured deviation.", at_least=0)] = 0.7
    min_pictures: Annotated[
        int, file_option("Fewer take the base's own variation.", at_least=1, at_most=1_000_000)
    ] = 5
    max_pictures: Annotated[
        int, file_option("Pictures that are encoded.", at_least=1, at_most=10_000)
    ] = 32


@config_class
class GrainConfig:
    """When a creator's pictures have film grain; see grain."""

    pictures: Annotated[
        int, file_option("Pictures that are looked at, at most.", at_least=1, at_most=10_000)
    ] = 32
    min_pictures: Annotated[
        int, file_option("With fewer, no grain is read.", at_least=1, at_most=10_000)
    ] = 3
    quantile: Annotated[
        float, file_option("Over pictures: those with the least texture.", at_least=0, at_most=1)
    ] = 0.3
    # By octave, lowest first: the calmest places of six sets of portraits and places.
    usual_luma: Annotated[
        tuple[float, ...], file_option("Amplitude that ordinary photos have.", above=0)
    ] = (0.03, 0.016, 0.0075, 0.003)
    usual_colour: Annotated[
        tuple[float, ...], file_option("The same of each axis of colour.", above=0)
    ] = (0.02, 0.011, 0.0035, 0.0015)
    min_excess: Annotated[
        float, file_option("Power over that of ordinary photos, in one fine octave.", at_least=0)
    ] = 2.0
    min_excess_of_colour: Annotated[
        float, file_option("The same for colour; with less, grain is grey.", at_least=0)
    ] = 1.8
    max_spread: Annotated[
        float, file_option("Of fine detail in calm places: grain is even.", above=1)
    ] = 1.75
    min_share: Annotated[
        float,
        file_option("Of the power, in nine tenths of the pictures: all have it.", at_least=0),
    ] = 0.25


@config_class
class HalationConfig:
    """When a creator's pictures have halation; see halation.

    Excess is a share of what halation of strength 1 would add. The bounds lie above what random
    parts of five sets of portraits and places have, as they are and through four film LUTs.
    """

    min_pictures: Annotated[
        int,
        file_option(
            "Pictures that are dark around highlights, at least.", at_least=3, at_most=10_000
        ),
    ] = 6
    min_excess: Annotated[
        float, file_option("Of red over green, in the middle of the pictures.", at_least=0)
    ] = 0.025
    min_correlation: Annotated[
        float,
        file_option("Of that excess with what halation would add, on average.", at_most=1),
    ] = 0.35
    min_significance: Annotated[
        float, file_option("That average times the square root of the number of pictures.")
    ] = 1.5
    quantile: Annotated[
        float, file_option("Over pictures: those with the least of it.", at_least=0, at_most=1)
    ] = 0.25
    min_excess_of_most: Annotated[
        float, file_option("Of red over green, at that quantile: most have it.", at_least=0)
    ] = 0.008
    min_excess_of_green: Annotated[
        float, file_option("Share of that of red; with less, halation is red alone.", at_least=0)
    ] = 0.1


@config_class
class HandConfig:
    """When pictures are made by hand; see hand."""

    pictures: Annotated[
        int, file_option("Pictures that are looked at, at most.", at_least=1, at_most=1000)
    ] = 8
    # To take photos for paintings does more harm than the reverse. Of sets of 8 of unseen kinds of
    # photos, at most 1 in 80 is above (docs/research/colour-estimation.md).
    min_score: Annotated[
        float,
        file_option("Mean over pictures; photos have -1, paintings 1.", at_least=-10, at_most=10),
    ] = 0.2
    deviation: Annotated[
        float,
        file_option("Of single pictures; the mean of few must be higher.", at_least=0, at_most=10),
    ] = 0.3


@config_class
class ExemplarsConfig:
    """What strokes are taken from; see strokes."""

    count: Annotated[
        int,
        file_option("Parts of pictures in a style file, at most.", at_least=1, at_most=128),
    ] = 48


@config_class
class InstantConfig:
    """All that decides how pictures become an instant style."""

    refinement: RefinementConfig = RefinementConfig()
    render_mode: RenderModeConfig = RenderModeConfig()
    out_of_distribution: OutOfDistributionConfig = OutOfDistributionConfig()
    calibration: CalibrationConfig = CalibrationConfig()
    variation: VariationConfig = VariationConfig()
    grain: GrainConfig = GrainConfig()
    halation: HalationConfig = HalationConfig()
    hand: HandConfig = HandConfig()
    exemplars: ExemplarsConfig = ExemplarsConfig()


DEFAULTS = InstantConfig()
"""The config of every style that is made without one."""
