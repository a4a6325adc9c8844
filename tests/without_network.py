"""Runs `influ`, or code, in a process that the system kills for any socket but AF_UNIX.

A seccomp filter sees what native libraries do, too, and children inherit it.
"""

import ctypes
import platform
import socket
import struct
import sys

KILLED = -31  # the exit code of a process that SIGSYS ended

_NO_NEW_PRIVS, _SECCOMP, _FILTER = 38, 22, 2
_ALLOW, _KILL_PROCESS = 0x7FFF0000, 0x80000000
_LOAD, _EQUALS, _RETURN = 0x20, 0x15, 0x06
_NUMBER_AT, _ARCHITECTURE_AT, _FIRST_ARGUMENT_AT = 0, 4, 16
# Of the machine: what the kernel calls it, and its number of the call `socket`.
_MACHINES = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}


def can_filter() -> bool:
    """Whether this system is one that the filter is written for."""
    return sys.platform == "linux" and platform.machine() in _MACHINES


def allow_no_network() -> None:
    """From now on, a socket of any family but AF_UNIX ends this process."""
    architecture, socket_call = _MACHINES[platform.machine()]
    steps = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_EQUALS, 0, 4, architecture),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_EQUALS, 0, 2, socket_call),
        (_LOAD, 0, 0, _FIRST_ARGUMENT_AT),
        (_EQUALS, 0, 1, socket.AF_UNIX),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _KILL_PROCESS),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = struct.pack("HxxxxxxP", len(steps), ctypes.addressof(code))
    system = ctypes.CDLL(None, use_errno=True)
    for call in ((_NO_NEW_PRIVS, 1, 0, 0, 0), (_SECCOMP, _FILTER, program, 0, 0)):
        if system.prctl(*call):
            raise OSError(ctypes.get_errno(), "the filter is refused")


if __name__ == "__main__":
    allow_no_network()
    if sys.argv[1] == "-c":
        exec(sys.argv[2])
    else:
        from stylegan_cli.cli import main

        main()
