"""Every option of every command, with what careless, unlucky and hostile people give for it.

Each value is given alone, beside what the command needs, by the option and by its variable, in a
folder that holds FIFOs, devices and links. No engine can be used: what is accepted ends where the
work would begin. What is refused is refused with one problem that names the option, and nothing is
made, changed or destroyed.
"""

import json
import os
import shutil
import signal
import sys
import threading
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Final

import pytest
from support.option_values import (
    GOOD,
    HOSTILE,
    PATHS,
    PLACES,
    RIGHT,
    Declared,
    Inventory,
    declared,
    furnish,
    inventory,
)
from support.synthetic import run_of

from netbench.cli import run_command_line
from netbench.cli.output import one_line, printable
from netbench.store import RunFolder

EVERY: Final = [one for one in declared() if one.name != "--help"]
MINIMUM: Final = {
    "run": ("run",),
    "report": ("report", "run"),
    "export": ("export", "run"),
    "compare": ("compare", "run", "other"),
    "trend": ("trend", "run", "--output", "trend.html"),
    "verify": ("verify",),
    "inspect": ("inspect", "--drivers", "host"),
    "clean": ("clean", "--dry-run"),
}
"""What a command cannot do without, or must not be tried without; else its name alone."""
BESIDE: Final = {
    ("run", "--force"): ("run", "--resume", "run"),
    **{
        ("run", name): ("run", "--require", "bridge.rtt_p99 <= 2 host")
        for name in ("--allow-undecided", "--confirm")
    },
    **{
        (name, "--parent-in-use"): (*MINIMUM[name], "--parent", "eth9")
        for name in ("run", "verify", "inspect")
    },
    **{
        ("compare", name): (*MINIMUM["compare"], "--require", "bridge.rtt_p50 <= 2 A")
        for name in ("--allow-undecided", "--confirm")
    },
    ("run", "--peer-address"): ("run", "--peer-context", "remote-2"),
    ("run", "--peer-parent"): ("run", "--peer-context", "remote-2"),
    ("doctor", "--peer-address"): ("doctor", "--peer-context", "remote-2"),
    ("inspect", "--drivers"): ("inspect",),
    ("inspect", "--container"): ("inspect",),
    ("report", "FOLDER"): ("report",),
    ("export", "FOLDER"): ("export",),
    ("index", "DIR"): ("index",),
    ("compare", "FOLDERS"): ("compare", "other"),
    ("trend", "DIRECTORIES"): ("trend", "--output", "trend.html"),
    ("trend", "--output"): ("trend", "run"),
    ("runs", "--html"): ("runs", "--output", "directory"),
}
"""What an option needs beside it, where that is something else."""
ACCEPTED: Final = {
    "run": {4},
    "verify": {4},
    "inspect": {4},
    "drivers": {4},
    "doctor": {4},
    "clean": {0, 4},
    "report": {0, 1, 3},
    "compare": {0, 1, 3},
    "trend": {0, 3},
}
"""Exit codes where there is nothing to refuse: 4, no engine, is where the work would begin."""
YES_NO: Final = {*("1", "true", "t", "yes", "y", "on"), *("0", "false", "f", "no", "n", "off"), ""}
JSON: Final = {one.command for one in EVERY if one.name == "--json"}
FIRST: Final = {one.name: one.command for one in reversed(EVERY)}
"""Where an option is tried with every value; elsewhere the same declaration stands."""
SECONDS: Final = 20
RUN = run_of(blocks=2, drivers=("host", "bridge"))
tried: list[int] = []


class TooLong(BaseException):
    """A call that did not come back."""


@contextmanager
def bounded() -> Iterator[None]:
    """Raise `TooLong` in here after `SECONDS`, even where the kernel waits."""

    def stop(_: int, __: FrameType | None) -> None:
        raise TooLong

    # SIGALRM is netbench's own.
    before, here = signal.signal(signal.SIGUSR1, stop), threading.get_ident()
    timer = threading.Timer(SECONDS, lambda: signal.pthread_kill(here, signal.SIGUSR1))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        signal.signal(signal.SIGUSR1, before)


@dataclass
class Bench:
    """A folder, and netbench called in it."""

    here: Path
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def furnish(self) -> None:
        """Make everything anew."""
        for path in self.here.iterdir():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        furnish(self.here)
        for name in ("run", "other", "again"):
            info = replace(RUN.info, id="again") if name == "again" else RUN.info
            made = RunFolder.create(self.here / "made", RUN.info.plan.drivers, info)
            for record in RUN.records:
                made.append(record)
            made.path.rename(self.here / name)
        (self.here / "made").rmdir()

    def call(self, argv: tuple[str, ...], variable: str | None, value: str) -> tuple[int, str]:
        """Return exit code and standard error; standard output is what is said where that is 2."""
        self.capsys.readouterr()
        with bounded(), self.monkeypatch.context() as patch:
            if variable:
                patch.setenv(variable, value)
            code = run_command_line(argv)
        out, err = self.capsys.readouterr()
        if "--json" in argv:
            json.loads(out)  # one document, whatever is in it
            out = ""
        return code, f"{out}{err}" if code == 2 else err


@pytest.fixture
def bench(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Bench]:
    """A furnished folder, from where no engine can be reached."""
    here, empty = tmp_path_factory.mktemp("options") / "here", tmp_path_factory.mktemp("empty")
    here.mkdir()
    monkeypatch.chdir(here)
    for name in [name for name in os.environ if name.startswith(("NETBENCH_", "DOCKER_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{empty}/no-engine.sock")
    monkeypatch.setenv("HOME", str(empty))  # no Docker contexts
    monkeypatch.setenv("PATH", str(empty))  # no tools to make namespaces with
    made = Bench(here, monkeypatch, capsys)
    made.furnish()
    yield made
    (here / "unreadable").chmod(0o600)


def right(one: Declared, value: str, *, by_variable: bool) -> bool:
    """Tell whether a value should be taken."""
    if by_variable and not value:
        return True  # as if the variable were not set
    if one.flag:
        return by_variable and value.strip().lower() in YES_NO
    check = PLACES.get((one.command, one.name)) or RIGHT.get(one.name)
    return value in good(one) or (check is not None and check(value))


def good(one: Declared) -> tuple[str, ...]:
    """Return values that must be taken."""
    if (one.command, one.name) == ("compare", "--require"):
        return ("bridge.rtt_p50 <= 2 A",)
    if (one.command, one.name) == ("compare", "--confirm"):
        return ("again",)
    return () if one.flag else GOOD.get(one.name, ())


def calls(one: Declared) -> Iterator[tuple[tuple[str, ...], str | None, str]]:
    """Yield the command line, the variable and the value of every call."""
    argv = BESIDE.get((one.command, one.name)) or MINIMUM.get(one.command, (one.command,))
    argument = not one.name.startswith("-")
    step = 40 if one.flag else 1 if FIRST[one.name] == one.command else 6
    place = step == 6 and one.name in {"FOLDER", "DIR", "--output"}
    for at, value in enumerate((*good(one), *HOSTILE[::step], *(PATHS if place else ()))):
        if one.name in {"DIRECTORIES", "--history"} and value == "/":
            continue  # whether a run folder is below it depends on the machine
        given = ("--", value) if argument else (f"{one.name}={value}",)
        as_json = ("--json",) if at % 5 == 0 and one.command in JSON and not one.flag else ()
        yield (*argv, *as_json, *given), None, value
    if one.variable:  # the same check: some, other ones for each command and option
        for value in (*good(one), *HOSTILE[len(str(one)) % 4 :: 4]):
            yield argv, one.variable, value


def refusal_problems(one: Declared, value: str, said: str) -> Iterator[str]:
    """Yield what is wrong with how a value was refused."""
    lines = said.splitlines()
    problems = [line for line in lines if line.startswith("netbench: ")]
    if len(problems) != 1 or (
        "  - " in said and not {",", ";"} & {*value}
    ):  # a list's parts are told all
        yield "not one problem"
    shown = one_line(value).strip().removeprefix("./")
    place = one.name in {
        "--output",
        "--resume",
        "FOLDER",
        "FOLDERS",
        "DIR",
        "DIRECTORIES",
        "--confirm",
    }  # that it names, if not empty
    label = value == "a=b" and one.name in {"FOLDERS", "--confirm"}
    named = [one.name, one.variable or one.name, f"'{one.name.lower()}'"]
    named += [shown[:100]] if place and shown else []
    if not label and not any(name in said.replace("\n", " ") for name in named):
        yield "does not name the option"
    if len(value) > 256 and printable(value)[:257] in said:
        yield "echoes the value"
    if len(said) > 2_500:
        yield f"says {len(said)} characters"
    if any(unicodedata.category(c) in {"Cc", "Cf", "Cs"} for c in said.replace("\n", "")):
        yield "prints control characters"


def written(one: Declared, value: str) -> Callable[[str], bool]:
    """Tell what an accepted value may have changed, by its path in the folder."""
    places = {os.path.normpath(value), Path(os.path.realpath(value)).name}
    if one.command == "report" or (one.command == "run" and one.name in {"--resume", "--force"}):
        return lambda path: path.partition("/")[0] in {"run", "other"}
    if one.command == "compare" and one.name != "--output":
        return lambda path: path.startswith("compare-")
    if one.command in {"compare", "export", "trend"}:
        places.add("trend.html" if one.command == "trend" else ".")
        return lambda path: path in places or path == str(Path(value).parent)
    if one.command == "index":
        return lambda path: path == "index.html"
    return lambda path: one.name == "--html" and path in {"directory", "directory/index.html"}


def changes(before: Inventory, after: Inventory) -> list[str]:
    """Return the paths of what is not as it was."""
    return [path for path in {**before, **after} if before.get(path) != after.get(path)]


def call_problems(
    bench: Bench, one: Declared, argv: tuple[str, ...], variable: str | None, value: str
) -> Iterator[str]:
    """Yield what is wrong with what one call did."""
    before = inventory(bench.here)
    wanted = right(one, value, by_variable=variable is not None)
    try:
        code, said = bench.call(argv, variable, value)
    except TooLong:
        yield f"takes more than {SECONDS} s"
        return
    if "Traceback" in said or code == 70:
        yield f"fails: {said.strip().splitlines()[-1]}"
        return
    changed = changes(before, inventory(bench.here))
    if code == 2:
        if wanted:
            yield f"is refused: {said[:200]}"
        yield from refusal_problems(one, value, said)
    elif not wanted:
        yield f"is accepted, with {code}"
    elif code not in ACCEPTED.get(one.command, {0}) | (
        {0, 3} if "--resume" in str(argv) or one.name == "--resume" else set()
    ):
        yield f"ends with {code}: {said[:200]}"
    may = written(one, value)
    wrong = [path for path in changed if code == 2 or not may(path)]
    if wrong:
        yield f"changes {', '.join(sorted(wrong))}"
    if changed:
        bench.furnish()


@pytest.mark.parametrize("one", EVERY, ids=str)
def test_a_value_is_right_or_is_refused_with_one_problem(
    bench: Bench, one: Declared, record_property: Callable[[str, object], None]
) -> None:
    found, number = [], 0
    for argv, variable, value in calls(one):
        number += 1
        by = variable or one.name
        shown = ascii(value if len(value) < 60 else f"{value[:20]}... ({len(value)})")
        found += [
            f"{by} {shown}: {what}" for what in call_problems(bench, one, argv, variable, value)
        ]
    tried.append(number)
    record_property("values", number)

    assert found == [], f"{len(found)} of {number}:\n" + "\n".join(found)


def test_many_values_were_tried(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        sys.stdout.write(f"\n{sum(tried):,} values of {len(tried)} options and arguments\n")

    assert {one.command for one in EVERY} >= {*MINIMUM}
