"""What goes wrong inside FFmpeg or on the disk, in words."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av.error

from stylegan_cli.errors import ClipError, UsageError, messages


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
        remedy = "make room and try again"
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            of_disk = isinstance(error, (PermissionError, FileNotFoundError))
            remedy = "choose another place" if of_disk else "try another --codec or suffix"
        raise ClipError(messages.cannot_write(path, messages.why(error), remedy)) from error
