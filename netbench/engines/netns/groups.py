"""A cgroup for each endpoint, which counts its CPU time; none if this user may not make any.

They lie in a cgroup of the run beneath netbench's own. Unlike the endpoint's processes they outlive
a netbench that is killed, empty: their name contains the run and its maker.

In version 1 there is one more where the controller `cpu` has a hierarchy apart from `cpuacct`: the
scheduler then weighs endpoints as it weighs containers. In version 2 netbench's own processes are
in the parent, so that `cpu` cannot be enabled beneath it.
"""

import os
import re
import signal
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

from netbench.engines.base import Owned
from netbench.engines.local_process import attempts
from netbench.engines.owner import maker_lives
from netbench.errors import EngineError, FactError
from netbench.system.cgroups import group_of, mounts

_PREFIX: Final = "netbench-"
_CPU: Final = "cpu"  # the controller that weighs groups for the scheduler
_GONE: Final = 2.0  # seconds that killed processes may take to leave a group


class Groups:
    """The cgroups of one world's holders."""

    def __init__(self, run: str, owner: str) -> None:
        """Make nothing yet."""
        self._name = f"{_PREFIX}{run}:{owner}"
        self._lock = threading.Lock()
        self._parents: tuple[Path, ...] | None = None
        """The run's own groups, made when they are first needed."""
        self._made: dict[int, tuple[Path, ...]] = {}

    def make(self, holder: int) -> None:
        """Make its groups and put a holder into them, as far as that is allowed."""
        with self._lock:
            if self._parents is None:
                made = []
                for folder in _own_groups():
                    with suppress(OSError):
                        (folder / self._name).mkdir()
                        made.append(folder / self._name)
                self._parents = tuple(made)
        groups = [parent / str(holder) for parent in self._parents]
        self._made[holder] = tuple(group for group in groups if _made(group, holder))

    def of(self, holder: int) -> tuple[Path, ...]:
        """Return a holder's groups."""
        return self._made.get(holder, ())

    def remove(self, holder: int) -> None:
        """Remove groups whose holder has been killed; `close` tries again where that fails."""
        self._made[holder] = tuple(group for group in self.of(holder) if not _remove(group))

    def close(self) -> None:
        """Remove every group, all of whose processes have been killed."""
        left = [group for groups in self._made.values() for group in groups]
        parents = self._parents or ()
        self._made.clear()
        for group in (*left, *parents):
            _remove(group)


def _made(group: Path, holder: int) -> bool:
    """Make a group with a holder in it; return whether that was allowed."""
    try:
        group.mkdir()
        (group / "cgroup.procs").write_text(f"{holder}\n")
    except OSError:
        _remove(group)
        return False
    return True


def _own_groups() -> tuple[Path, ...]:
    """Return netbench's own group, and that in the hierarchy of `cpu` where it is another.

    What has a blank in its path is left out: a shell joins them.
    """
    found: list[Path] = []
    with suppress(FactError):
        found.append(group_of("self").folder)
    root = _cpu_hierarchy()
    if root is not None:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
        names = [line.split(":", 2)[2] for line in lines if line.split(":", 2)[1] == _CPU]
        found += [root / name.lstrip("/") for name in names if ".." not in name]
    return tuple(folder for folder in found if not re.search(r"\s", str(folder)))


def _cpu_hierarchy() -> Path | None:
    """Return where version 1 has the controller `cpu` by itself, or None."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, kind = line.partition(" - ")
        words = kind.split()
        if words[:1] == ["cgroup"] and words[2:]:
            controllers = set(words[2].split(",")) - {"rw", "ro"}
            mounted = fields.split()
            if controllers == {_CPU} and mounted[3] == "/":
                return Path(mounted[4])
    return None


def _remove(group: Path) -> bool:
    """Remove a group once its processes are gone; return whether it is."""
    for _ in attempts(_GONE, 0.005):
        try:
            group.rmdir()
        except FileNotFoundError:
            return True
        except OSError:
            continue
        return True
    return False


def leftover_groups(run: str | None) -> tuple[Owned, ...]:
    """Return the cgroups of one run or of all, those of a netbench that still runs included."""
    found = []
    seen = mounts(Path("/proc/self/mountinfo").read_text()).values()
    cpu = _cpu_hierarchy()
    for root in (*(mount.folder for mount in seen), *([cpu] if cpu else ())):
        for folder, names, _ in os.walk(root):
            for name in [name for name in names if name.startswith(_PREFIX)]:
                mark, colon, owner = name.removeprefix(_PREFIX).partition(":")
                path = Path(folder, name)
                if not colon or run not in (None, mark) or not _ours(path):
                    continue
                live = maker_lives(owner) is not False
                found.append(Owned("cgroup", str(path), name, mark, live))
                names.remove(name)
    return tuple(found)


def _ours(path: Path) -> bool:
    try:
        return path.lstat().st_uid == os.geteuid()
    except OSError:
        return False


def remove_leftover_group(thing: Owned) -> None:
    """Remove a leftover, if it still is what it was; EngineError if something runs in it."""
    if all(thing.id != found.id for found in leftover_groups(thing.run)):
        return
    group = Path(thing.id)
    with suppress(FileNotFoundError):
        for inner in group.iterdir():
            if inner.is_dir():
                _remove(inner)
    if not _remove(group):
        raise EngineError(f"something still runs in the cgroup {group}")


def owned_processes(run: str | None) -> tuple[Owned, ...]:
    """Return the processes that carry `NETBENCH_RUN`, of one run or of all."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "environ").read_bytes().split(b"\0")
            name = (folder / "comm").read_text().strip()
        except OSError:
            continue
        values = dict(word.decode(errors="replace").partition("=")[::2] for word in words)
        mark = values.get("NETBENCH_RUN")
        if mark and run in (None, mark):
            live = maker_lives(values.get("NETBENCH_OWNER", "")) is not False
            found.append(Owned("process", folder.name, name, mark, live))
    return tuple(found)


def end_owned_process(thing: Owned) -> None:
    """Kill a leftover, if it still is what it was."""
    if any(thing.id == found.id for found in owned_processes(thing.run)):
        with suppress(ProcessLookupError):
            os.kill(int(thing.id), signal.SIGKILL)
