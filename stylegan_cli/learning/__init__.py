"""What both trainings share: checkpoints, logging, averaged weights, losses, schedules."""

from typing import Literal

GanKind = Literal["hinge", "lsgan", "bce"]
"""What discriminators are scored by; see losses.py."""

Precision = Literal["auto", "fp32", "bf16", "fp64"]
"""What networks compute in while they learn; auto: bf16 where the processor is made for it."""
