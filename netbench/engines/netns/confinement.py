"""What tools are confined by: a seccomp filter, and a user namespace where we are not root.

A Docker Engine runs containers under a filter. Where every system call of a kind is allowed, the
kernel keeps that in a bitmap and does not run the filter (kernel/seccomp.c,
`seccomp_cache_check_allow`), so that any filter costs the same, a few tens of ns for each call.
That of tools here allows everything and costs what that of a container costs.
"""

import os
import shutil
import struct
import sys
from typing import Final

from netbench.engines.local_process import call

_RETURN: Final = 0x06  # BPF_RET | BPF_K, linux/bpf_common.h
_ALLOW: Final = 0x7FFF0000  # SECCOMP_RET_ALLOW, linux/seccomp.h
_IN_USER_NAMESPACE: Final = "NETBENCH_IN_USER_NAMESPACE"
NAMESPACES: Final = ("--net", "--ipc", "--uts", "--mount", "--pid")
"""What an endpoint has of its own, as options of `nsenter`."""
_UTILITIES: Final = ("unshare", "nsenter", "setpriv", "taskset", "sleep")


class Confinement:
    """The filter, as options of `setpriv`; none if it cannot load one (util-linux < 2.41)."""

    def __init__(self) -> None:
        """Try it."""
        self._file = os.memfd_create("netbench-seccomp")
        os.write(self._file, struct.pack("=HBBI", _RETURN, 0, 0, _ALLOW))
        wanted = ("--seccomp-filter", f"/proc/{os.getpid()}/fd/{self._file}")
        tried = call(("setpriv", *wanted, "true"))
        self.options: tuple[str, ...] = wanted if tried.returncode == 0 else ()

    def close(self) -> None:
        """Free the filter; tools can no longer be started with it."""
        self.options = ()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def unavailable() -> str | None:
    """Return why this engine cannot work for this user, or None if it can; found by trying."""
    missing = [name for name in _UTILITIES if shutil.which(name) is None]
    if missing:
        return f"{', '.join(missing)} not found (util-linux, coreutils)"
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    argv = ["unshare", *user, "--net", "--mount", "--propagation=unchanged", "--pid", "--fork"]
    tried = call((*argv, "true"))
    return None if tried.returncode == 0 else f"`{' '.join(argv)} true`: {tried.stderr.strip()}"


def way_in(pid: int) -> tuple[str, ...]:
    """Return the command by which this user gets a shell in the namespaces of a process."""
    # An ordinary user is root in there already; becoming root once more is not allowed.
    own = ("--user", "--preserve-credentials") if in_user_namespace() else ()
    return ("nsenter", f"--target={pid}", *own, *NAMESPACES, "sh")


def in_user_namespace() -> bool:
    """Tell whether this program was started again as root of a user namespace."""
    return bool(os.environ.get(_IN_USER_NAMESPACE))


def reexec_in_user_namespace() -> None:
    """Where we are not root, start this program again as root of a user namespace of its own.

    Returns at once where we are root, or already there.
    """
    if os.geteuid() == 0 or in_user_namespace():
        return
    os.environ[_IN_USER_NAMESPACE] = "1"
    argv = ["unshare", "--user", "--map-root-user", "--", sys.executable, "-m", "netbench"]
    os.execvp("unshare", [*argv, *sys.argv[1:]])  # noqa: S606 -- replaces this process, no shell
