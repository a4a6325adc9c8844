"""What both trainings share: checkpoints, logging, averaged weights, losses, schedules."""

from typing import Literal

GanKind = Literal["hinge", "lsgan", "bce"]
"""What discriminators are scored by; see losses.py."""
