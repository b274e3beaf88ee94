"""The calls of netbench that leave its process, by name: written down, or one of them made to fail.

netbench knows nothing of it. `install` is called in a process that becomes netbench, before it
does. An audit hook of the interpreter (PEP 578) is told of files, processes, signals, sockets and
locks before they are; what it is not told of goes through wrappers of the library's own functions.

An edge's name is the call, what it is for, and the function of netbench that makes it, such as
`write records.jsonl @ store.writing._write_all`. Calls of the same name are counted.
"""

import builtins
import ctypes
import errno
import io
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

EDGE: Final = "NETBENCH_TEST_EDGE"
"""Environment variable with an `Injury`, or with a file's name to write every call's name to."""
LATE: Final = 2.0  # seconds
_WRITES: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_FILES: Final = {
    "os.mkdir": "make folder",
    "os.rename": "rename",
    "os.remove": "remove",
    "os.rmdir": "remove folder",
    "os.truncate": "truncate",
    "os.chmod": "change mode",
    "os.symlink": "link",
    "os.listdir": "list",
    "os.scandir": "list",
}
_OTHERS: Final = {
    "fcntl.flock": ("lock", errno.ENOLCK),
    "fcntl.ioctl": ("ioctl", errno.EIO),
    "os.fork": ("fork", errno.EAGAIN),
    "os.kill": ("signal", errno.EPERM),
    "os.killpg": ("signal", errno.EPERM),
    "socket.__new__": ("socket", errno.EMFILE),
    "socket.bind": ("bind", errno.EADDRNOTAVAIL),
    "socket.connect": ("connect", errno.ECONNREFUSED),
    "socket.sendto": ("send", errno.ENOBUFS),
    "socket.sendmsg": ("send", errno.ENOBUFS),
}
"""What else is called, by the interpreter's name for it, and the error that it may well give."""
_NETLINK: Final = (
    *("link", "addr", "route", "link_lookup"),
    *("get_links", "get_addr", "get_routes", "get_netnsid"),
)


@dataclass(frozen=True)
class Injury:
    """What is done to the n-th call of a name."""

    name: str
    nth: int
    how: str
    """`fails`; `is late` by `LATE`; `hangs` until `mark` is removed or a signal ends it. A program:
    `breaks`, it ends at once with an error; `stalls`, it does nothing."""
    mark: str
    """A file that is made when it is done."""

    def encoded(self) -> str:
        """Return it for the environment."""
        return json.dumps(asdict(self))


class Edges:
    """Counts calls, and injures one."""

    def __init__(self, told: str) -> None:
        """Take what the environment variable says."""
        self._injury = Injury(**json.loads(told)) if told.startswith("{") else None
        self._log = -1
        if self._injury is None:
            self._log = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._calls: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._inside = threading.local()
        self.write = os.write

    def passes(self, call: str, what: str, error: Callable[[], Exception] | int) -> str:
        """Count a call; raise `error`, or wait, if it is the one; else return how it is injured."""
        place = _place()
        if place is None or getattr(self._inside, "now", False):
            return ""
        self._inside.now = True
        try:
            return self._count(f"{call} {_plain(what)} @ {place}", what, error)
        finally:
            self._inside.now = False

    def _count(self, name: str, what: str, error: Callable[[], Exception] | int) -> str:
        injury = self._injury
        with self._lock:
            self._calls[name] += 1
            number = self._calls[name]
            if injury is None:
                self.write(self._log, f"{name}\n".encode())
        if injury is None or (injury.name, injury.nth) != (name, number):
            return ""
        Path(injury.mark).write_text(what)
        if injury.how == "fails":
            raise error() if callable(error) else OSError(error, os.strerror(error), what or None)
        if injury.how == "is late":
            time.sleep(LATE)
        while injury.how == "hangs" and Path(injury.mark).exists():
            time.sleep(0.02)
        return injury.how

    def audit(self, event: str, given: tuple[Any, ...]) -> None:
        """Be told of a call by the interpreter."""
        if event == "open":
            path, _, flags = given
            if isinstance(path, (str, bytes, os.PathLike)):
                name = os.fsdecode(path)
                if not name.endswith((".py", ".pyc", ".so", ".pth")):
                    self.passes("open" if flags & _WRITES else "read", name, errno.EIO)
        elif event in _FILES:
            name = given[0]
            if isinstance(name, (str, bytes, os.PathLike)):
                self.passes(_FILES[event], os.fsdecode(name), errno.EIO)
        elif event in _OTHERS:
            call, number = _OTHERS[event]
            what = f"{given[1]}" if call in ("signal", "lock", "ioctl") else ""
            if call == "socket":
                what = f"family {int(given[1])}"
            self.passes(call, what, number)


def _place() -> str | None:
    """Return the function of netbench that is the innermost one on the stack; None without any."""
    frame = sys._getframe(1)  # noqa: SLF001 -- there is no public way that is as fast
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.startswith("importlib"):
            return None
        if module.startswith("netbench."):
            return f"{module.removeprefix('netbench.')}.{frame.f_code.co_qualname}"
        frame = frame.f_back  # type: ignore[assignment]
    return None


def _plain(what: str) -> str:
    """Return what a call is for, without what differs from run to run."""
    if what.startswith(("/proc", "/sys")):
        what = re.sub(r"/(netbench-[^/]*|[0-9a-f]{64})", "/RUN", what)
    elif "/" in what:
        what = what.rpartition("/")[2]
        what = re.sub(r"^\d{4}-?\d\d-?\d\dT.*", "RUN", what)
        what = re.sub(r"^(tmp|\.)?[a-z0-9_]{8}$", "TEMPORARY", what)
    return re.sub(r"\d+", "N", what)


def _words(argv: Sequence[Any]) -> str:
    """Return the programs and plain words of a command."""
    words = [os.fsdecode(word) for word in argv]
    plain = [Path(w).name for w in words if re.fullmatch(r"(/\S*/)?[a-z][a-z0-9._-]*", w)]
    return " ".join(plain[:5])


class _Written:
    """An open file whose `write` is an edge."""

    def __init__(self, file: Any, name: str, edges: Edges) -> None:
        self._file, self._name, self._edges = file, name, edges

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> Self:
        self._file.__enter__()
        return self

    def __exit__(self, *error: object) -> Any:
        return self._file.__exit__(*error)

    def __iter__(self) -> Any:
        return iter(self._file)

    def write(self, content: Any) -> Any:
        self._edges.passes("write", self._name, errno.ENOSPC)
        return self._file.write(content)


def _wrap_files(edges: Edges) -> None:
    plain = io.open

    def opened(file: Any, mode: str = "r", *args: Any, **more: Any) -> Any:
        found = plain(file, mode, *args, **more)
        writes = any(letter in mode for letter in "wax+")
        # What the standard streams are made of is not looked through, nor what has no name.
        if not writes or isinstance(file, int) or _place() is None:
            return found
        return _Written(found, os.fsdecode(file), edges)

    io.open = builtins.open = opened  # type: ignore[assignment]

    def of(descriptor: int) -> str:
        try:
            return str(Path(f"/proc/self/fd/{descriptor}").readlink())
        except OSError:
            return ""

    for call, name in (("write", "write"), ("fsync", "synchronise")):
        original = getattr(os, call)

        def wrapped(descriptor: int, *args: Any, original: Any = original, name: str = name) -> Any:
            edges.passes(name, re.sub(r"[:(].*", "", of(descriptor)), errno.ENOSPC)
            return original(descriptor, *args)

        setattr(os, call, wrapped)


def _wrap_programs(edges: Edges) -> None:
    start = subprocess.Popen.__init__

    def started(self: Any, args: Any, *more: Any, **named: Any) -> None:
        how = edges.passes("start", _words(args), errno.EAGAIN)
        if how == "breaks":
            args = ("sh", "-c", "echo it breaks >&2; exit 1")
        if how == "stalls":
            args = ("sleep", "600")
        start(self, args, *more, **named)

    subprocess.Popen.__init__ = started  # type: ignore[assignment]


def _wrap_netlink(edges: Edges) -> None:
    for name in _NETLINK:

        def call(self: Any, *args: Any, name: str = name, **named: Any) -> Any:
            words = [str(args[0])] if args and isinstance(args[0], str) else []
            words += [str(named["kind"])] if "kind" in named else []
            edges.passes("netlink", " ".join([name, *words]), lambda: NetlinkError(errno.EBUSY))
            return IPRoute.__getattr__(self, name)(*args, **named)

        setattr(IPRoute, name, call)

    class Library(ctypes.CDLL):
        """The C library, of which netbench takes `setns` only."""

        def setns(self, descriptor: int, kind: int) -> int:
            try:
                edges.passes("enter", "a namespace", errno.EPERM)
            except OSError:
                ctypes.set_errno(errno.EPERM)
                return -1
            found: int = self.__getattr__("setns")(descriptor, kind)
            return found

    ctypes.CDLL = Library  # type: ignore[misc]


def install(told: str) -> None:
    """Count every call of this process from now on, or injure one."""
    edges = Edges(told)
    _wrap_files(edges)
    _wrap_programs(edges)
    _wrap_netlink(edges)
    sys.addaudithook(edges.audit)
