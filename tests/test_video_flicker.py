import sys
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))

import video_flicker


def scene(shift: int) -> np.ndarray:
    noise = np.random.default_rng(0).integers(0, 256, (20, 40, 3)).astype(np.uint8)
    large = cv2.resize(noise, (640, 320), interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(large[:256, 200 - shift : 520 - shift])


def test_what_moves_with_the_source_has_no_error_and_what_flickers_has_its_own() -> None:
    figures = {name: video_flicker.Figures() for name in ("source", "flickering", "frozen")}
    movement = None
    for number in range(5):
        frame = scene(3 * number)
        if number:
            movement = video_flicker.Movement(scene(3 * number - 3), frame)
            assert movement.is_moving.mean() > 0.9
            assert 0.5 < movement.is_known.mean() < 1
        flickering = np.clip(frame.astype(int) + (20 if number % 2 else 0), 0, 255).astype(np.uint8)
        figures["source"].add(frame, frame, movement)
        figures["flickering"].add(flickering, frame, movement)
        figures["frozen"].add(cv2.blur(scene(0), (15, 15)), frame, movement)
    found = {name: figure.record() for name, figure in figures.items()}
    assert found["source"]["warping_error"] < 2e-4
    assert found["source"]["psnr_db"] is None
    assert abs(found["flickering"]["warping_error"] - 3 * (20 / 255) ** 2) < 4e-3
    assert found["frozen"]["psnr_moving_db"] < 20
    assert found["frozen"]["gradient_energy"] < 0.6
