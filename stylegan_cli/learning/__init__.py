"""What both trainings share: checkpoints, averaged weights, losses, schedules."""

from typing import Literal

GanKind = Literal["hinge", "lsgan", "bce"]
"""What discriminators are scored by; see losses.py."""
