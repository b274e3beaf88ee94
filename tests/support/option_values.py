"""What may be given for an option by somebody who is careless, unlucky or hostile, and what of it
is right.

`declared` walks the commands as they are declared; a new option is tried without a line here, and
then needs a line in `GOOD` if anything in `HOSTILE` is right for it.
"""

import os
import re
import socket
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import typer

from netbench.cli import app

BIDI: Final = "\u202egnp.exe\u2066"
LONG: Final = "x" * 300
NUMBERS: Final = (
    *("0", "-0", "-1", "1", "7", "+5", "1.5", ".5", ".", "1e3", "1e-300", "1e300", "1e999", "0x10"),
    *("1_000", "9" * 20, "9" * 5_000, "-" + "9" * 5_000, "nan", "inf", "-inf", "0.05", "1,5"),
    *(
        "\uff16",
        "\u0663",
        "\u00b2",
        "1\uff16",
        "\u30007",
        "7;8",
        "0,1",
        "1,2,3",
        "0,\uff11",
        "1" + " " * 5 + "2",
    ),
)
TEXTS: Final = (
    *("", " ", "\t", "\n", "a b", "a\tb", "a\nb", "\x01", "\x1b[31mred\x1b[0m", "a\x7f", "\x9b31m"),
    *(
        BIDI,
        "\ufeff",
        "e\u0301\U0001f4a9",
        "\udcff",
        "'",
        '"',
        "''",
        '"; rm -rf x; "',
        "$(touch pwned)",
    ),
    *(
        "`touch pwned`",
        "| touch pwned",
        "> pwned",
        "x && touch pwned",
        "*",
        "?",
        "~",
        "%s%n",
        "{x}",
    ),
    *(
        "{{7*7}}",
        "[bold]x[/]",
        "<script>",
        "--",
        "-",
        "--help",
        "-v",
        "=",
        "a=b",
        "@",
        ":",
        ",",
        ",,",
    ),
    *(
        "a,,b",
        "None",
        "null",
        "true",
        "bogus",
        "BOGUS",
        LONG,
        "x" * 100_000,
        "x/" * 2_000,
        "\u6f22" * 200,
    ),
)
PATHS: Final = (
    *(
        "/",
        ".",
        "..",
        "~root",
        "missing",
        "missing/below",
        "file",
        "file/below",
        "directory",
        "fifo",
    ),
    *("device", "full", "socket", "to-null", "to-full", "to-itself", "to-nothing", "to-fifo"),
    *("fifo.toml", "directory.toml", "huge.toml", "binary.toml", "unreadable", LONG + ".toml"),
    *(
        "./" + LONG,
        "directory/" + LONG,
        "/proc/self/mem",
        "run",
        "./run",
        "other",
        "host@",
        "host@cc",
    ),
    *("cni:", "cni:fifo", "cni:device", "cni:directory", "cni:huge.toml", "cni:missing", "plugin:"),
    *("host@mtu=\uff19", "bridge:user@mtu=" + "9" * 5_000, "host@cc=" + LONG, "bridge:" + LONG),
    *("cni:~no-such-user/x", "cni:unreadable", "cni:to-itself", "cni:" + LONG, "plugin:" + LONG),
)
"""Of the places that `furnish` makes, and of others."""
HOSTILE: Final = tuple(dict.fromkeys((*NUMBERS, *TEXTS, *PATHS)))


def furnish(here: Path) -> None:
    """Put what `PATHS` speaks of into an empty folder."""
    (here / "file").write_text("mine")
    (here / "unreadable").write_text("secret")
    (here / "unreadable").chmod(0)
    (here / "binary.toml").write_bytes(b"\xff\xfe\x00" * 99)
    with (here / "huge.toml").open("wb") as file:
        file.truncate(1 << 40)  # zeros that take no room on the disk
    for name in ("directory", "directory.toml"):
        (here / name).mkdir()
    for name in ("fifo", "fifo.toml"):
        os.mkfifo(here / name)
    for name, minor in (("device", 3), ("full", 7)):
        try:
            os.mknod(here / name, 0o666 | stat.S_IFCHR, os.makedev(1, minor))
        except PermissionError:  # not root, who could do harm to the machine's own
            (here / name).symlink_to({3: "/dev/null", 7: "/dev/full"}[minor])
    links = {"null": "device", "full": "full", "itself": "to-itself", "nothing": "later"}
    for name, target in (links | {"fifo": "fifo"}).items():
        (here / f"to-{name}").symlink_to(target)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("socket")  # the current folder is this one: the name of a socket is short


Inventory = Mapping[str, tuple[int, int, int, int]]


def inventory(here: Path) -> Inventory:
    """Return kind, device number, inode and time of change of all that is in a folder."""
    found = {}
    for parent, folders, files in os.walk(here):
        for name in (*folders, *files):
            path = Path(parent, name)
            at = path.lstat()
            found[str(path.relative_to(here))] = (at.st_mode, at.st_rdev, at.st_ino, at.st_mtime_ns)
    return found


@dataclass(frozen=True)
class Declared:
    """One option or argument of one command."""

    command: str
    name: str
    """As it is written, `--engine`, or FOLDER for an argument."""
    flag: bool
    variable: str | None
    """Of the environment."""

    def __str__(self) -> str:
        return f"{self.command} {self.name}"


def declared() -> Iterator[Declared]:
    """Yield everything that any command takes."""
    root: Any = typer.main.get_command(app)
    for command in root.list_commands(None):
        for param in root.get_command(None, command).params:
            argument = param.param_type_name == "argument"
            name = param.human_readable_name.upper() if argument else max(param.opts, key=len)
            flag = bool(getattr(param, "is_flag", False))
            variable = param.envvar[0] if isinstance(param.envvar, list) else param.envvar
            yield Declared(command, name, flag, variable)


def _number(text: str) -> float | None:
    plain = re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?", text.strip())
    return float(text) if plain else None


def _between(low: float, high: float) -> Callable[[str], bool]:
    def right(text: str) -> bool:
        number = _number(text)
        return number is not None and low <= number <= high

    return right


def _whole(low: int, high: int) -> Callable[[str], bool]:
    return lambda text: (
        bool(re.fullmatch(r"[+-]?[0-9]{1,19}", text.strip())) and (low <= int(text) <= high)
    )


def _matches(pattern: str) -> Callable[[str], bool]:
    return lambda text: re.fullmatch(pattern, text) is not None


def _one_of(*names: str) -> Callable[[str], bool]:
    return lambda text: text in names


def _place_for_file(text: str) -> bool:
    """Tell whether a file can be written at a place; what is no file is written to as it is."""
    path = Path(text)
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return bool(text.strip()) and path.parent.is_dir() and "/proc" not in text
    except OSError:
        return False
    if text.startswith("/proc"):
        return False
    return stat.S_ISREG(mode) or (stat.S_ISCHR(mode) and not text.endswith("full"))


def _place_for_folders(text: str) -> bool:
    try:
        os.lstat(text)
    except FileNotFoundError:
        return bool(text.strip())
    except OSError:
        return False
    return Path(text).is_dir()


_TRACKERS: Final = ("bencher", "customBiggerIsBetter", "customSmallerIsBetter")


def _link(text: str) -> bool:
    named = bool(re.fullmatch(r"[!-~]{1,15}", text))
    return named and not (text in {".", ".."} or set(text) & {"/", ":"})


_IMAGE: Final = r"(\[|[A-Za-z0-9])[A-Za-z0-9._/:\[\]-]{0,254}(@[a-z0-9]+:[0-9a-f]{32,128})?"
_NUMERALS: Final = r"[0-9]{1,9}"
RIGHT: Final[Mapping[str, Callable[[str], bool]]] = {
    "--engine": _one_of("auto", "docker", "netns"),
    "--context": _matches(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,254}"),
    "--image": _matches(_IMAGE),
    "--parent": _link,
    "--peer-context": _matches(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,254}"),
    "--peer-address": _matches(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}"),
    "--peer-parent": _link,
    "--container": _matches(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}"),
    "--drivers": _one_of("host", "host,bridge"),
    "--baseline": _one_of("host", "bridge"),
    "--suite": _one_of("quick", "standard", "full"),
    "--paths": _one_of("east-west", "east-west,hairpin"),
    "--blocks": lambda text: not text.startswith("+") and _whole(1, 1000)(text),
    "--seed": _whole(0, 2**63 - 1),
    "--max-time": _between(100, 1e9),
    "--precision": _between(1e-6, 100),
    "--margin": _between(1e-6, 100),
    "--pin": _matches(rf" *{_NUMERALS} *(, *{_NUMERALS} *)?|auto|cross|same|none"),
    "--cc": _matches(r"[a-z0-9][a-z0-9_-]{0,14}"),
    "--format": _one_of("csv", "json", "openmetrics", *_TRACKERS, "md", "adr"),
    "--table": _one_of("trials", "contrasts", "cells"),
    "--accept": _one_of("*", "kernel.release"),
    "--resume": _one_of("run", "./run", "other"),
    "FOLDER": _one_of("run", "./run", "other"),
    "FOLDERS": _one_of("run", "./run"),
    "DIRECTORIES": _one_of("run", "./run", "other", ".", ".."),
}
"""What each option takes, told anew here; of an option that is not named, nothing hostile."""
PLACES: Final[Mapping[tuple[str, str], Callable[[str], bool]]] = {
    ("run", "--output"): _place_for_folders,
    ("runs", "--output"): _place_for_folders,
    ("compare", "--output"): _place_for_file,
    ("compare", "--confirm"): _one_of("again"),
    ("index", "DIR"): _one_of(".", ".."),
    ("export", "--output"): _place_for_file,
    ("trend", "--output"): _place_for_file,
}
"""Options by whose name alone it is not known what they take."""
GOOD: Final[Mapping[str, tuple[str, ...]]] = {
    "--engine": ("auto", "docker", "netns"),
    "--context": ("remote-1",),
    "--peer-context": ("remote-2",),
    "--peer-address": ("192.0.2.2", "server.example"),
    "--peer-parent": ("eth1",),
    "--image": ("build", "localhost:5000/a/b:1.0", f"a@sha256:{'0' * 64}", "[::1]:5000/x"),
    "--container": ("web_1",),
    "--drivers": ("host",),
    "--baseline": ("host", "bridge"),
    "--suite": ("quick", "standard"),
    "--paths": ("east-west", "east-west,hairpin"),
    "--max-time": ("600",),
    "--pin": ("auto", "same", "0,1"),
    "--cc": ("cubic",),
    "--format": ("csv", "json", "openmetrics", *_TRACKERS, "md", "adr"),
    "--table": ("trials", "contrasts", "cells"),
    "--accept": ("kernel.release",),
    "--require": ("bridge.rtt_p99 <= 2 host",),
}
"""What must be taken: the others would prove nothing if everything were refused."""
