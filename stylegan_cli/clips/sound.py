"""Sound that a container can't hold as it is, encoded anew in a form that it takes."""

import logging
from typing import Any

import av.error
from av.audio.stream import AudioStream
from av.codec.codec import Codec
from av.codec.context import CodecContext
from av.container import OutputContainer

_log = logging.getLogger(__name__)

_USUAL_LAYOUTS = {
    1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1",
}  # fmt: skip
_BITS_PER_CHANNEL = {"aac": 96_000, "libopus": 64_000}


def add_encoder(output: OutputContainer, source: AudioStream, codec: str) -> AudioStream | None:
    """A track of `output` for the sound of `source`, encoded with `codec`; None if it can't be.

    The rate and the layout of the channels are those of the source where the encoder has them,
    else the nearest rate above, or the usual layout of so many channels, or stereo.
    """
    rate = _rate(codec, source.rate)
    layout = _layout(codec, source, rate)
    if layout is None:
        return None
    encoder: Any = output.add_stream(codec, rate=rate)
    encoder.layout = layout
    encoder.bit_rate = _BITS_PER_CHANNEL.get(codec, 96_000) * encoder.layout.nb_channels
    added: AudioStream = encoder
    return added


def differences(source: AudioStream, encoder: AudioStream) -> str:
    """What else than the codec is not as it was: ", at 96000 Hz, as stereo", or nothing."""
    words = ""
    if encoder.rate != source.rate and encoder.codec_context.name != "libopus":
        words += f", at {encoder.rate} Hz"
    if encoder.layout.nb_channels != source.layout.nb_channels:
        words += f", as {encoder.layout.name}"
    return words


def _rate(codec: str, rate: int) -> int:
    rates = sorted(Codec(codec, "w").audio_rates or [rate])
    if codec == "libopus":
        return max(rates)  # It works at this one, whatever it is given.
    return next((known for known in rates if known >= rate), rates[-1])


def _layout(codec: str, source: AudioStream, rate: int) -> str | None:
    # A count of channels without a layout, as old files have it, is no layout to an encoder.
    channels = source.layout.nb_channels
    for layout in (source.layout.name, _USUAL_LAYOUTS.get(channels), "stereo"):
        if layout is None:
            continue
        try:
            context: Any = CodecContext.create(codec, "w")
            context.layout, context.sample_rate = layout, rate
            context.format = Codec(codec, "w").audio_formats[0].name  # type: ignore[index]
            context.open()
        except (av.error.FFmpegError, ValueError) as error:
            _log.debug("%s does not take sound as %s: %s", codec, layout, error)
            continue
        return layout
    return None
