"""Import torchvision whatever torch it sits next to.

The registry's torchvision is built against the registry's CUDA torch. Next to a CPU build of torch
its C++ operators can't load, and its Python half then fails to import because it registers shapes
for operators that do not exist. timm needs only that Python half, so the missing operators are
declared (without a kernel) and the import is tried again. Calling one of them still fails, with
torch's own message.
"""

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import library

# The operators whose shapes torchvision registers unconditionally; schemas as in its C++ half.
_DECLARED = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
# torch forgets a declaration as soon as its Library is collected.
_kept_alive: list["library.Library"] = []


def import_torchvision() -> ModuleType:
    """torchvision, importable from here on; call it before importing torchvision or timm.

    Raises: RuntimeError where torchvision is broken in another way.
    """
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::" not in str(error) or _kept_alive:
            raise
    from torch import library

    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
    operators = library.Library("torchvision", "FRAGMENT")
    for schema in _DECLARED:
        operators.define(schema)
    _kept_alive.append(operators)
    return importlib.import_module("torchvision")
