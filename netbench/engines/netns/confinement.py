"""What tools are confined by: a seccomp filter, cgroups, a user namespace for ordinary users."""

import os
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Final

from netbench.engines.owner import GROUP, remove_group
from netbench.system.cgroups import own_groups

_RETURN: Final = 0x06  # BPF_RET | BPF_K, linux/bpf_common.h
_ALLOW: Final = 0x7FFF0000  # SECCOMP_RET_ALLOW, linux/seccomp.h
_IN_USER_NAMESPACE: Final = "NETBENCH_IN_USER_NAMESPACE"
_UTILITIES: Final = ("unshare", "nsenter", "setpriv", "taskset", "sleep")


class Confinement:
    """A seccomp filter as options of `setpriv`; none if it cannot load one (util-linux < 2.41).

    A Docker Engine runs containers under a filter. Where every system call of a kind is allowed,
    the kernel keeps that in a bitmap and does not run the filter (kernel/seccomp.c,
    `seccomp_cache_check_allow`), so that any filter costs the same, a few tens of ns for each call.
    This one allows everything and costs what that of a container costs.
    """

    def __init__(self) -> None:
        """Try it."""
        self._file = os.fdopen(os.memfd_create("netbench-seccomp"), "wb", buffering=0)
        self._file.write(struct.pack("=HBBI", _RETURN, 0, 0, _ALLOW))
        wanted = ("--seccomp-filter", f"/proc/{os.getpid()}/fd/{self._file.fileno()}")
        tried = subprocess.run(
            ("setpriv", *wanted, "true"), capture_output=True, timeout=10, check=False
        )
        self.options: tuple[str, ...] = wanted if tried.returncode == 0 else ()

    def close(self) -> None:
        """Free the filter; tools can no longer be started with it."""
        self.options = ()
        self._file.close()


class Groups:
    """A cgroup for each holder, which counts its CPU time; none if this user may not make any.

    They lie in a cgroup of the run beneath netbench's own. Unlike the processes of a holder they
    outlive a netbench that is killed, empty: their name contains the run and its maker.

    In version 1 there is one more where the controller `cpu` has a hierarchy apart from `cpuacct`:
    the scheduler then weighs endpoints as it weighs containers. In version 2 netbench's own
    processes are in the parent, so that `cpu` cannot be enabled beneath it.
    """

    def __init__(self, run: str, owner: str) -> None:
        """Make the run's own groups, those whose path has no blank: a shell writes to them."""
        groups = [folder / f"{GROUP}{run}:{owner}" for folder in own_groups()]
        plain = (group for group in groups if not re.search(r"\s", str(group)))
        self._parents = tuple(group for group in plain if _made(group))
        self._made: dict[int, tuple[Path, ...]] = {}

    def make(self, holder: int) -> None:
        """Make a holder's groups and put it into them, as far as that is allowed."""
        groups = [parent / str(holder) for parent in self._parents]
        self._made[holder] = tuple(group for group in groups if _made(group, holder))

    def of(self, holder: int) -> tuple[Path, ...]:
        """Return a holder's groups."""
        return self._made.get(holder, ())

    def remove(self, holder: int) -> None:
        """Remove groups whose holder has been killed; `close` tries again where that fails."""
        self._made[holder] = tuple(group for group in self.of(holder) if not remove_group(group))

    def close(self) -> None:
        """Remove every group, all of whose processes have been killed."""
        left = [group for groups in self._made.values() for group in groups]
        self._made.clear()
        for group in (*left, *self._parents):
            remove_group(group)


def _made(group: Path, holder: int | None = None) -> bool:
    """Make a group, perhaps with a holder in it; return whether that was allowed."""
    try:
        group.mkdir()
        if holder is not None:
            (group / "cgroup.procs").write_text(f"{holder}\n")
    except OSError:
        remove_group(group)
        return False
    return True


def unavailable() -> str | None:
    """Return why this engine cannot work for this user, or None if it can; found by trying."""
    missing = [name for name in _UTILITIES if shutil.which(name) is None]
    if missing:
        return f"{', '.join(missing)} not found (util-linux, coreutils)"
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    argv = ["unshare", *user, "--net", "--mount", "--propagation=unchanged", "--pid", "--fork"]
    tried = subprocess.run([*argv, "true"], capture_output=True, text=True, timeout=10, check=False)
    return None if tried.returncode == 0 else f"`{' '.join(argv)} true`: {tried.stderr.strip()}"


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
