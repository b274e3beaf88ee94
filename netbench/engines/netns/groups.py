"""A cgroup for each endpoint, so that its CPU time is told apart; none where we may not make any.

They lie in one of the run's own beneath netbench's own cgroup. Unlike the endpoint's processes they
outlive a netbench that is killed, empty: their name tells the run and its maker.
"""

import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from netbench.cgroups import group_of, mounts
from netbench.engines.base import Owned
from netbench.engines.owner import maker_lives
from netbench.errors import EngineError, FactError

_PREFIX: Final = "netbench-"
_GONE: Final = 2.0
"""Seconds that killed processes may take to leave a group."""
_AGAIN: Final = 0.005


class Groups:
    """The cgroups of one world's holders."""

    def __init__(self, run: str, owner: str) -> None:
        """Make nothing yet."""
        self._name = f"{_PREFIX}{run}:{owner}"
        self._lock = threading.Lock()
        self._parent: Path | None = None
        self._tried = False
        self._made: dict[int, Path] = {}

    def make(self, holder: int) -> None:
        """Make a group and put a holder into it; nothing where that is not allowed."""
        parent = self._run()
        if parent is None:
            return
        group = parent / str(holder)
        try:
            group.mkdir()
            (group / "cgroup.procs").write_text(f"{holder}\n")
        except OSError:
            _remove(group)
            return
        with self._lock:
            self._made[holder] = group

    def of(self, holder: int) -> Path | None:
        """Return a holder's group, None where it has none."""
        with self._lock:
            return self._made.get(holder)

    def remove(self, holder: int) -> None:
        """Remove a group whose holder has been killed; `close` tries again where that fails."""
        group = self.of(holder)
        if group is not None and _remove(group):
            with self._lock:
                self._made.pop(holder, None)

    def close(self) -> None:
        """Remove every group, all of whose processes have been killed."""
        with self._lock:
            left, parent = [*self._made.values()], self._parent
            self._made.clear()
        for group in (*left, *([parent] if parent else ())):
            _remove(group)

    def _run(self) -> Path | None:
        """Return the run's own group, made at the first call."""
        with self._lock:
            if not self._tried:
                self._tried = True
                try:
                    parent = group_of("self").folder / self._name
                    parent.mkdir()
                    self._parent = parent
                except (FactError, OSError):
                    self._parent = None
            return self._parent


def _remove(group: Path) -> bool:
    """Remove a group once its processes are gone; tell whether it is."""
    deadline = time.monotonic() + _GONE
    while True:
        try:
            group.rmdir()
        except FileNotFoundError:
            return True
        except OSError:
            if time.monotonic() > deadline:
                return False
            time.sleep(_AGAIN)
        else:
            return True


def leftover_groups(run: str | None) -> tuple[Owned, ...]:
    """Return the cgroups of one run or of all, those of a netbench that still runs included."""
    found = []
    for mount in mounts(Path("/proc/self/mountinfo").read_text()).values():
        for folder, names, _ in os.walk(mount.folder):
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
    """Remove a leftover with the groups in it, if it still is what it was.

    Raises:
        EngineError: something still runs in it.
    """
    if all(thing.id != found.id for found in leftover_groups(thing.run)):
        return
    group = Path(thing.id)
    with suppress(FileNotFoundError):
        for inner in group.iterdir():
            if inner.is_dir():
                _remove(inner)
    if not _remove(group):
        raise EngineError(f"something still runs in the cgroup {group}")
