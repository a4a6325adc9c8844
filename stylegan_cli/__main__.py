"""The process of `influ`: a signal ends it cleanly from the first moment on."""

import os
import signal
from types import FrameType

_INTERRUPTED = 130  # as InterruptedByUserError, which is not imported yet


def _end(signal_number: int, frame: FrameType | None) -> None:
    os._exit(_INTERRUPTED)


def main() -> None:
    """Run `influ` with the arguments of this process."""
    # While modules are imported nothing has begun, and there is nothing to save or to say.
    signal.signal(signal.SIGTERM, _end)
    if listens := signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)
    # Its threads wait in a loop for matrices too small to share, on cores that others need.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from stylegan_cli import cli

    if listens:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    cli.main()


if __name__ == "__main__":
    main()
