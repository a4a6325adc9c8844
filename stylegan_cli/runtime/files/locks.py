"""Who works on a result, when several runs could: the one that holds its claim."""

import errno
import fcntl
import json
import os
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from stylegan_cli.errors import BusyError, WriteError, messages
from stylegan_cli.runtime.files.leftovers import claim_name, is_at, is_claim, tidy
from stylegan_cli.runtime.files.writing import explained

_MAX_CLAIM = 1 << 12  # bytes
_PATIENCE_S = 1.0  # with a claim that is locked and not signed
_KIND = "claim"
_INSIDE = Path("folder")  # stands for any folder in the name of its claim


@contextmanager
def claimed(target: Path) -> Iterator[None]:
    """This run alone works on `target` for as long as the block lasts.

    The claim is the system's lock on a hidden file beside `target`; in a folder it lies inside, and
    is the same by whichever path. A run that crashes loses its locks with its life, and the file
    it leaves behind bars nobody. Raises BusyError that names the process which has the claim,
    WriteError where the claim can't be made.
    """
    is_folder = target.is_dir()
    path = target / claim_name(_INSIDE) if is_folder else target.with_name(claim_name(target))
    tidy(path.parent)
    with explained(target):
        descriptor = _locked(path, target)
    try:
        yield
    finally:
        # Unlinked while it is locked: whoever opened it in the meantime finds that it is gone.
        with suppress(OSError):
            path.unlink()
        os.close(descriptor)


def _locked(path: Path, target: Path) -> int:
    """The open file, locked and still under its name."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    began_s = time.monotonic()
    while True:
        descriptor = os.open(path, flags, 0o666)
        has_time = time.monotonic() - began_s < _PATIENCE_S
        try:
            if _lock(descriptor, target, has_time) and is_at(descriptor, path):
                _sign(descriptor, path)
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        time.sleep(0.01)


def _lock(descriptor: int, target: Path, has_time: bool) -> bool:
    """Lock the file; False to try again. Raises BusyError where another process has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        # Unless its owner lives, a process that tidies up has it, for an instant.
        if not _is_alive(signature := _read(descriptor)) and has_time:
            return False
        raise _busy(signature, target) from None
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
            raise
        # A file system without locks: the process that signed the file is asked for.
        if _is_alive(signature := _read(descriptor)):
            raise _busy(signature, target) from None
    return True


def _sign(descriptor: int, path: Path) -> None:
    """Write into the locked file which process has it. Raises WriteError for someone's file."""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode) or not is_claim(descriptor):
        raise WriteError(messages.cannot_write(path, "it is not a file of influ", "move it away"))
    signature = {"influ": _KIND, "process": os.getpid(), "host": socket.gethostname()}
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(signature).encode(), 0)
    except OSError:
        path.unlink()
        raise


def _read(descriptor: int) -> dict[str, object]:
    """What the file says of its process; empty where it says nothing that `_sign` writes."""
    try:
        signature = json.loads(os.pread(descriptor, _MAX_CLAIM, 0))
    except (OSError, ValueError, RecursionError):
        return {}
    is_ours = isinstance(signature, dict) and signature.get("influ") == _KIND
    return signature if is_ours and isinstance(signature.get("process"), int) else {}


def _busy(signature: dict[str, object], target: Path) -> BusyError:
    who = f"process {signature['process']}" if signature else "another process"
    return BusyError(f"{who} of influ is at work on {target}: wait until it ends")


def _is_alive(signature: dict[str, object]) -> bool:
    process = signature.get("process")
    if not isinstance(process, int) or process == os.getpid():
        return False
    if signature.get("host") != socket.gethostname():
        return True  # nobody can tell
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
