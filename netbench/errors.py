"""Every error netbench raises on purpose, each with the exit code it ends the program with.

    NetbenchError
    ├── ConfigurationError    2  the request cannot be right as given; all problems at once
    ├── RunFolderError        2  a folder that is not a run, or not one this version reads
    │   └── RunFolderLost     3  it cannot be written any more; what is in it stays
    ├── EngineUnavailable     4  no engine, or no way to it
    ├── EngineLost            3  the engine went away in the middle of a run
    ├── EngineError           3  the engine refused or failed one operation
    │   └── Unsupported       3  kernel or engine lack what is asked for; becomes a `Skip`
    ├── ProbeError            3  a tool ran and gave no usable number; becomes a `Failure`
    ├── SystemRefused         3  the machine has no more of something (descriptors, disk), or fails
    ├── FactError             3  something that should be readable was not
    └── Interrupted         130  SIGINT, SIGTERM or SIGHUP

Exit code 0 is no error, and 1 is that of a budget that is not kept.
"""

import errno
import re
from typing import Final

NOT_KEPT: Final = 1  # exit code where a `--require` budget is missed or, unless allowed, undecided
INCOMPLETE: Final = 3  # exit code where something asked for failed, is missing or impossible
_LONGEST: Final = 2000  # characters of a problem that are kept


def cut(text: str, most: int = 200) -> str:
    """Return a text; of one that is longer than `most` the beginning, and how long it is."""
    return text if len(text) <= most else f"{text[:most]}… (cut: {len(text):,} characters)"


def told(text: str) -> str:
    """Return a problem as it is told; of a word that is longer than any name, the beginning."""
    return cut(re.sub(r"\S{257,}", lambda word: cut(word[0]), text), _LONGEST)


class NetbenchError(Exception):
    """Root of the tree; the command line turns it into one message and `exit_code`."""

    exit_code = 3
    kind = "error"

    def __init__(self, message: str, *, hint: str = "") -> None:
        """`message` says what failed and why, `hint` names the command or setting that fixes it."""
        self.message = told(message)
        super().__init__(self.message)
        self.hint = cut(hint, _LONGEST)
        self.problems: tuple[str, ...] = (self.message,)


class ConfigurationError(NetbenchError):
    """One or more mistakes in options or suite, found before anything is created."""

    exit_code = 2
    kind = "configuration"

    def __init__(self, *problems: str, hint: str = "") -> None:
        """Take every problem found, in the order the user wrote them."""
        super().__init__("; ".join(problems), hint=hint)
        self.problems = tuple(map(told, problems))
        self.message = "; ".join(self.problems)


class RunFolderError(NetbenchError):
    """The folder is missing, empty, foreign, or written by a newer schema."""

    exit_code = 2
    kind = "run-folder"


class RunFolderLost(RunFolderError):
    """The run folder cannot be written any more in the middle of a run."""

    exit_code = 3
    kind = "run-folder-lost"


class EngineUnavailable(NetbenchError):
    """No engine can be used at all: nothing can be measured."""

    exit_code = 4
    kind = "engine-unavailable"


class EngineError(NetbenchError):
    """The engine refused or failed one operation."""

    kind = "engine"


class EngineLost(NetbenchError):
    """The engine stopped answering; no `EngineError`, because no caller can go on without it."""

    kind = "engine-lost"


class Unsupported(EngineError):
    """Kernel or engine lack what is asked for, found by trying; the message names it."""

    kind = "unsupported"


ENGINE_FAILURES: Final = (EngineError, EngineLost, OSError)
"""For cleaning up and for what happens before a run, where an engine's failure means the same as
its loss, and as the kernel's refusal where that is the engine."""


class ProbeError(NetbenchError):
    """A tool ran but gave no usable number."""

    kind = "probe"


class SystemRefused(NetbenchError):
    """The system refused what every program needs: it has no more of it, or it is broken."""

    kind = "system"

    @classmethod
    def of(cls, error: OSError) -> "SystemRefused":
        """Return the error of the system as the user sees it."""
        where = f": {error.filename}" if error.filename else ""
        hint = _REFUSED.get(error.errno or 0, "see the kernel's log: dmesg")
        return cls(f"the system refused: {error.strerror or error}{where}", hint=hint)


_REFUSED: Final = {  # what helps, by the system's error number
    errno.EMFILE: "raise the limit of open files: ulimit -n 1024",
    errno.ENFILE: "raise fs.file-max, or end what holds so many files open",
    errno.ENOSPC: "make room on that file system",
    errno.EDQUOT: "make room within the quota",
    errno.EROFS: "write to a file system that is not read-only",
    errno.ENOMEM: "free memory, or raise the limit",
    errno.EAGAIN: "raise the limit of processes: ulimit -u, pids.max",
}


class FactError(NetbenchError):
    """A fact that is needed could not be read."""

    kind = "fact"


class Interrupted(NetbenchError):
    """The user or the system asked us to stop."""

    exit_code = 130
    kind = "interrupted"
