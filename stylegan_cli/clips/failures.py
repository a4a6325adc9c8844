"""What goes wrong inside FFmpeg or on the disk, in words."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av.error

from stylegan_cli.errors import ClipError, UsageError


@contextmanager
def explained(path: Path, *, starting: bool = False) -> Iterator[None]:
    """Turn an error of FFmpeg or of the system, met while writing to `path`, into one sentence.

    starting: nothing has been encoded yet, so what is invalid are the options.
    """
    try:
        yield
    except (av.error.FFmpegError, OSError) as error:
        if starting and error.errno == errno.EINVAL:
            raise UsageError(
                "the encoder does not accept these options together: check --codec, --preset, "
                "--crf and the suffix"
            ) from error
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            sentence = f"{path.parent} has no room for the clip: free some space and try again"
        elif isinstance(error, PermissionError):
            sentence = f"{path.parent} may not be written to: choose another folder with --out"
        else:
            reason = error.strerror or error
            sentence = f"the clip can't be encoded ({reason}): try another --codec or suffix"
        raise ClipError(sentence) from error
