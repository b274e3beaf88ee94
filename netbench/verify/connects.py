"""Real connects from one place: a shell script that makes them all at once, and its output. Pure.

The tool is socat: it speaks TCP and UDP over both versions of IP, and prints the system's own
words for what went wrong.
"""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from netbench.probes import strerror_name
from netbench.spec import Family

Protocol = Literal["tcp", "udp"]
PROTOCOLS: Final[tuple[Protocol, ...]] = ("tcp", "udp")
FAMILIES: Final = tuple(Family)

_WORD: Final = "netbench-"
"""Start of the word that an echo server must send back; its number follows."""
_NOT_FOUND: Final = (126, 127)
"""Exit codes by which a shell says that it could not run a tool."""
_CLOSED: Final = frozenset(
    {
        *("ECONNREFUSED", "ECONNRESET", "EPIPE", "EHOSTUNREACH", "ENETUNREACH", "EHOSTDOWN"),
        *("ENETDOWN", "ETIMEDOUT", "EACCES", "EPERM", "EADDRNOTAVAIL", "EAFNOSUPPORT"),
    }
)
"""What the kernel says where there is no way; any other error is the tool's, and shows nothing."""
_CLOCK: Final = "netbench-clock"
"""Start of the line with the seconds since boot at which a script began and ended."""
_HEAD: Final = """\
set -f
read began rest </proc/uptime
try() {
  said=$(echo "$1" | socat -t"$3" -T"$3" - "$2" 2>&1)
  echo "$1 $?" $said
}
"""
_TAIL: Final = f"""\
wait
read ended rest </proc/uptime
echo "{_CLOCK} $began $ended"
"""


@dataclass(frozen=True, slots=True)
class ConnectAttempt:
    """One connect."""

    protocol: Protocol
    family: Family
    address: str
    port: int
    note: str = ""
    """What is special about it, for the evidence."""

    def __str__(self) -> str:
        """Return `tcp 198.18.0.2:20001`."""
        return f"{self.protocol} {self._bracketed}:{self.port}"

    @property
    def _bracketed(self) -> str:
        return f"[{self.address}]" if ":" in self.address else self.address

    def target(self, patience: int) -> str:
        """Return it as socat writes addresses; `patience` in seconds."""
        bound = f",connect-timeout={patience}" if self.protocol == "tcp" else ""
        return f"{self.protocol.upper()}{self.family}:{self._bracketed}:{self.port}{bound}"


@dataclass(frozen=True, slots=True)
class ConnectResult:
    """What became of a connect."""

    reached: bool | None
    """None where the tool itself failed: then nothing is known."""
    said: str
    silent: bool = False
    """Whether nothing came back at all, not even an error."""


def script(attempts: Sequence[ConnectAttempt], patience: int) -> str:
    """Return a shell script that makes every connect in the background and waits for all.

    It prints one line for each: its word, the exit code, what socat printed; and how long all of
    them took.
    """
    calls = [
        f"try {_WORD}{number} {shlex.quote(attempt.target(patience))} {patience} &"
        for number, attempt in enumerate(attempts)
    ]
    return "\n".join([_HEAD, *calls, _TAIL])


def answers(
    text: str, attempts: Sequence[ConnectAttempt], patience: int
) -> tuple[ConnectResult, ...]:
    """Return what became of each connect of a script, from its output."""
    lines = re.findall(rf"^({_WORD}\d+) (\d+)(?: (.*))?$", text, re.MULTILINE)
    found = {word: (int(code), said) for word, code, said in lines}
    return tuple(
        _answer(attempt, f"{_WORD}{number}", found.get(f"{_WORD}{number}"), patience)
        for number, attempt in enumerate(attempts)
    )


def took(text: str) -> float | None:
    """Return the seconds from a script's first connect to its last answer; None if it broke off.

    What the engine needs to start the script is no part of it.
    """
    found = re.search(rf"^{_CLOCK} ([\d.]+) ([\d.]+)$", text, re.MULTILINE)
    return float(found[2]) - float(found[1]) if found else None


def _answer(
    attempt: ConnectAttempt, word: str, line: tuple[int, str] | None, patience: int
) -> ConnectResult:
    if line is None:
        return ConnectResult(None, "the script ended without a word of it")
    code, said = line
    if word in said.split():
        return ConnectResult(reached=True, said="answered")
    if "Connection timed out" in said:  # of our own bound; socat names EINPROGRESS after it
        return ConnectResult(reached=False, said=f"no answer within {patience} s", silent=True)
    if code == 0 and not said:
        connected = "connected, but " if attempt.protocol == "tcp" else ""
        said = f"{connected}no answer within {patience} s"
        return ConnectResult(reached=False, said=said, silent=True)
    errno = strerror_name(said)
    if errno in _CLOSED and code not in _NOT_FOUND:
        return ConnectResult(reached=False, said=str(errno))
    return ConnectResult(None, f"socat failed: {said[:200]}")
