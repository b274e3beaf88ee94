"""Processes of one engine, which end with netbench unless they may be kept; and their confinement.

That is a seccomp filter, cgroups, and a user namespace where this user is not root.
"""

import contextlib
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeVar

from netbench.engines.child_process import BOUND
from netbench.engines.local_process import call
from netbench.engines.netns.holder import NamespaceProcess, inner_process, unshare
from netbench.engines.owner import GROUP, remove_group, this_process
from netbench.errors import EngineError
from netbench.record import Completed
from netbench.system.cgroups import own_groups
from netbench.system.interrupts import Pool

_Started = TypeVar("_Started")
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
_RETURN: Final = 0x06  # BPF_RET | BPF_K, linux/bpf_common.h
_ALLOW: Final = 0x7FFF0000  # SECCOMP_RET_ALLOW, linux/seccomp.h
_IN_USER_NAMESPACE: Final = "NETBENCH_IN_USER_NAMESPACE"
_UTILITIES: Final = ("unshare", "nsenter", "setpriv", "taskset", "sleep")


class Confinement:
    """A seccomp filter as options of `setpriv`; none if it cannot load one (util-linux < 2.41).

    It allows everything, and costs the tens of ns a call of a container's: which calls are always
    allowed is in a bitmap, for any filter (kernel/seccomp.c, `seccomp_cache_check_allow`).
    """

    def __init__(self) -> None:
        """Try it."""
        self._file = os.fdopen(os.memfd_create("netbench-seccomp"), "wb", buffering=0)
        self._file.write(struct.pack("=HBBI", _RETURN, 0, 0, _ALLOW))
        wanted = ("--seccomp-filter", f"/proc/{os.getpid()}/fd/{self._file.fileno()}")
        tried = call("setpriv", *wanted, "true")
        self.options: tuple[str, ...] = wanted if tried.returncode == 0 else ()

    def close(self) -> None:
        """Free the filter; tools can no longer be started with it."""
        self.options = ()
        self._file.close()


class Groups:
    """A cgroup for each holder, which counts its CPU time; none if this user may not make any.

    They lie in a cgroup of the run beneath netbench's own, and outlive a netbench that is killed:
    its name contains the run and its maker. In version 1 there is one more if `cpu` is apart from
    `cpuacct`: the scheduler then weighs endpoints as it weighs containers. In version 2 `cpu`
    cannot be enabled beneath the parent, which has processes.
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
    except OSError:
        return False
    try:
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
    tried = call(*argv, "true")
    return None if tried.returncode == 0 else f"`{' '.join(argv)} true`: {tried.stderr.strip()}"


def in_user_namespace() -> bool:
    """Tell whether this program was started again as root of a user namespace."""
    return bool(os.environ.get(_IN_USER_NAMESPACE))


def reexec_in_user_namespace() -> None:
    """Start this program again as root of a user namespace, unless it is root already."""
    if os.geteuid() == 0 or in_user_namespace():
        return
    os.environ[_IN_USER_NAMESPACE] = "1"
    argv = ["unshare", "--user", "--map-root-user", "--", sys.executable, "-m", "netbench"]
    os.execvp("unshare", [*argv, *sys.argv[1:]])  # noqa: S606 -- replaces this process, no shell


class Spawner:
    """Starts processes from one thread: the death signals of its children are sent when it ends."""

    def __init__(self, run: str, *, keep: bool = False) -> None:
        """Take a run's id, which marks every process; with `keep` they may outlive netbench."""
        owner = this_process()
        self._marks = {"NETBENCH_RUN": run, "NETBENCH_OWNER": owner}
        self._bound = () if keep else BOUND
        self._holders: dict[int, subprocess.Popen[bytes]] = {}
        self._programs: set[subprocess.Popen[str]] = set()
        self._thread = Pool(max_workers=1)
        self.confinement = Confinement()
        self._groups = Groups(run, owner)

    def hold(self, network_of: int | None = None) -> int:
        """Make namespaces, net perhaps that of a process, and return a process that holds them."""
        environment = {**os.environ, **self._marks}
        process = self._begin(lambda: unshare(environment, network_of, self._bound))
        try:
            holder = inner_process(process)
            self._groups.make(holder)
        except BaseException:
            process.kill()
            process.wait()
            raise
        finally:
            if process.stderr:
                process.stderr.close()
        self._holders[holder] = process
        return holder

    def release(self, holder: int) -> None:
        """End a holder with everything in it, once."""
        process = self._holders.pop(holder, None)
        if process:
            process.kill()
            process.wait()
            self._groups.remove(holder)

    def tool(self, holder: int, argv: tuple[str, ...], cpu: int | None) -> NamespaceProcess:
        """Start a tool in all namespaces of a holder, in its cgroups from its first instruction."""
        groups, confined = self._groups.of(holder), self.confinement.options
        return self._begin(lambda: NamespaceProcess(holder, argv, cpu, groups, confined))

    def program(
        self,
        place: int,
        argv: tuple[str, ...],
        *,
        stdin: int = subprocess.DEVNULL,
        environment: Mapping[str, str] = _NOTHING,
    ) -> subprocess.Popen[str]:
        """Start a program of the host's, with its process numbers, in another network namespace."""
        enter = (*self._bound, "nsenter", f"--net=/proc/{place}/ns/net")

        def start() -> subprocess.Popen[str]:
            return subprocess.Popen(
                (*enter, *argv),
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, **self._marks, **environment},
                text=True,
                errors="replace",
                start_new_session=True,
            )

        process = self._begin(start)
        self._programs.add(process)
        return process

    def end(self, process: subprocess.Popen[str]) -> None:
        """Kill a program with its children, which lead a session of their own."""
        self._programs.discard(process)
        _kill(process)
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()

    def _begin(self, start: Callable[[], _Started]) -> _Started:
        """Start a process in the thread that outlives it; EngineError if the system has no more."""
        try:
            return self._thread.submit(start).result()
        except OSError as exc:
            raise EngineError(f"the system starts no process: {exc.strerror or exc}") from exc

    def command(
        self,
        place: int,
        argv: tuple[str, ...],
        stdin: str = "",
        *,
        environment: Mapping[str, str] = _NOTHING,
        timeout: float = 10.0,
    ) -> Completed:
        """Run such a program to its end, for `timeout` seconds at most; a missing one gives 127."""
        began = time.monotonic()
        process = self.program(place, argv, stdin=subprocess.PIPE, environment=environment)
        timed_out = False
        try:
            out, err = process.communicate(stdin, timeout)
        except subprocess.TimeoutExpired:
            timed_out = True
            _kill(process)
            out, err = process.communicate()
        finally:
            self.end(process)
        seconds = time.monotonic() - began
        return Completed(argv, process.returncode, out, err, timed_out, seconds)

    def close(self, *, keep: bool = False) -> None:
        """End everything that still runs, unless it is kept, and the thread."""
        with contextlib.ExitStack() as undone:  # each step, in reverse order, even if one fails
            if not keep:
                undone.callback(self._groups.close)
            undone.callback(self.confinement.close)
            undone.callback(self._thread.shutdown)
            for holder in () if keep else self._holders.values():
                undone.callback(_end, holder)
            for process in () if keep else tuple(self._programs):
                undone.callback(self.end, process)
        self._holders.clear()


def _end(holder: "subprocess.Popen[bytes]") -> None:
    holder.kill()
    holder.wait()


def _kill(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
