"""What netbench made on this machine, which of its processes made it, and whether that still runs.

The label `netbench.owner` is `boot id:pid namespace:pid:start ticks`: unique over machines,
reboots, containers and reused process numbers. A process has it in its environment, a cgroup in
its name, a temporary folder in a file.
"""

import os
import re
import shutil
import signal
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal, get_args

from netbench.engines.base import Owned
from netbench.engines.local_process import attempts, started
from netbench.errors import EngineError
from netbench.system.cgroups import cpu_mounts

GROUP: Final = "netbench-"  # start of the name of a run's cgroup; its run, a colon and its maker
_PID: Final = re.compile(r"[0-9]{1,10}")
_OWNER: Final = "owner"  # file in a folder: run id and maker, one a line
_GONE: Final = 2.0  # seconds that killed processes may take to leave a cgroup
Purpose = Literal["cni", "ssh"]


def this_process() -> str:
    """Return what identifies this process on any machine."""
    pid = os.getpid()
    return f"{_boot()}:{_pid_namespace()}:{pid}:{started(pid)}"


def maker_lives(owner: str) -> bool | None:
    """Tell whether the process that a label names runs; None if it is not visible from here."""
    boot, namespace, pid, ticks = (owner.split(":") + [""] * 4)[:4]
    if (boot, namespace) != (_boot(), _pid_namespace()) or not _PID.fullmatch(pid):
        return None
    return str(started(int(pid))) == ticks


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _pid_namespace() -> str:
    return str(Path("/proc/self/ns/pid").readlink()).removeprefix("pid:[").rstrip("]")


def make_folder(purpose: Purpose, run: str = "") -> Path:
    """Make a temporary folder, of a run or of none, that only this user may enter."""
    name = "-".join(filter(None, ("netbench", purpose, run)))
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-"))
    (folder / _OWNER).write_text(f"{run}\n{this_process()}\n")
    return folder


def remove_folder(folder: Path) -> None:
    """Remove a folder with everything in it, if it is there."""
    with suppress(FileNotFoundError):
        shutil.rmtree(folder)


def remove_group(group: Path) -> bool:
    """Remove a cgroup once its processes are gone; return whether it is."""
    for _ in attempts(_GONE, 0.005):
        try:
            group.rmdir()
        except FileNotFoundError:
            return True
        except OSError:
            continue
        return True
    return False


def leftovers(run: str | None, *kinds: str) -> tuple[Owned, ...]:
    """Return what is here of one run or of all, in use or not, of some of `LOCAL_KINDS` or all."""
    found = (one for kind in kinds or _LISTS for one in _LISTS[kind]())
    return tuple(one for one in found if run in (None, one.run))


def remove_leftover(thing: Owned) -> None:
    """Remove one of `leftovers` if it still is what it was; EngineError if a cgroup is in use."""
    if all(thing.id != found.id for found in leftovers(thing.run, thing.kind)):
        return
    path = Path(thing.id)
    if thing.kind == "folder":
        remove_folder(path)
        return
    if thing.kind == "process":
        with suppress(ProcessLookupError):
            os.kill(int(thing.id), signal.SIGKILL)
        return
    with suppress(FileNotFoundError):
        for inner in path.iterdir():
            if inner.is_dir():
                remove_group(inner)
    if not remove_group(path):
        raise EngineError(f"something still runs in the cgroup {path}")


def _processes() -> Iterator[Owned]:
    """Yield the processes that carry `NETBENCH_RUN`."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "environ").read_bytes().split(b"\0")
            name = (folder / "comm").read_text().strip()
        except OSError:
            continue
        values = dict(word.decode(errors="replace").partition("=")[::2] for word in words)
        if mark := values.get("NETBENCH_RUN"):
            live = maker_lives(values.get("NETBENCH_OWNER", "")) is not False
            yield Owned("process", folder.name, name, mark, live)


def _groups() -> Iterator[Owned]:
    for root in cpu_mounts():
        for folder, names, _ in os.walk(root):
            for name in [name for name in names if name.startswith(GROUP)]:
                mark, colon, owner = name.removeprefix(GROUP).partition(":")
                path = Path(folder, name)
                if colon and _is_own_folder(path):
                    names.remove(name)
                    live = maker_lives(owner) is not False
                    yield Owned("cgroup", str(path), name, mark, live)


def _folders() -> Iterator[Owned]:
    temporary = Path(tempfile.gettempdir())
    patterns = [f"netbench-{purpose}-*" for purpose in get_args(Purpose)]
    for folder in sorted(path for pattern in patterns for path in temporary.glob(pattern)):
        with suppress(OSError, ValueError):
            mark, owner = (folder / _OWNER).read_text().splitlines()
            if _is_own_folder(folder):
                live = maker_lives(owner) is not False
                yield Owned("folder", str(folder), folder.name, mark, live)


def _is_own_folder(path: Path) -> bool:
    """Tell whether it is a folder of this user's, and no link."""
    with suppress(OSError):
        seen = path.lstat()
        return stat.S_ISDIR(seen.st_mode) and seen.st_uid == os.geteuid()
    return False


_LISTS: Final[Mapping[str, Callable[[], Iterator[Owned]]]] = {
    "process": _processes,
    "cgroup": _groups,
    "folder": _folders,
}
LOCAL_KINDS: Final = frozenset(_LISTS)
