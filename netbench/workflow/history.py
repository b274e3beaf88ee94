"""Run folders below directories, read as a history."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from netbench.analysis.compare import measured
from netbench.analysis.trend.history import history_run
from netbench.analysis.trend.model import HistoryRun, SkippedFolder
from netbench.errors import ConfigurationError, RunFolderError
from netbench.store import RUN, LoadedRun, load
from netbench.store.output import name_problem
from netbench.workflow.options import Observer

DEPTH: Final = 4
"""Levels below a directory at which run folders are looked for: host, year, month, run."""


def directory_problems(directories: Sequence[Path], name: str) -> list[str]:
    """Return what is wrong with directories that are to hold run folders."""
    problems = []
    for directory in directories:
        if problem := name_problem(directory):
            problems.append(f"{name}: {problem}")
        elif not directory.exists():
            problems.append(f"{name}: {directory} does not exist")
        elif not directory.is_dir():
            problems.append(f"{name}: {directory} is not a directory")
        elif next(_folders(directory, []), None) is None:
            problems.append(f"{name}: {directory} holds no run folder, down to {DEPTH} levels")
    return problems


def read_history(
    directories: Sequence[Path], observer: Observer, leave_out: Sequence[LoadedRun] = ()
) -> tuple[list[HistoryRun], list[SkippedFolder]]:
    """Return what every readable run below directories gives, and what was skipped.

    A run counts once: a second folder of the same is skipped, and told. Those of `leave_out` do not
    count, in whichever folder. Raises ConfigurationError where none can be read.
    """
    skipped: list[SkippedFolder] = []
    runs: list[HistoryRun] = []
    notes: list[str] = []
    copies: dict[tuple[str, str], str] = {}
    hint = ""
    others = {(run.info.id, run.info.created) for run in leave_out}
    for folder in _own(directories, skipped):
        try:
            loaded = load(folder)
            if (loaded.info.id, loaded.info.created) in others:
                continue
            run = _read(loaded)
        except RunFolderError as exc:
            skipped.append(SkippedFolder(str(folder), exc.message, damaged=True))
            hint = hint or exc.hint
            continue
        first = copies.setdefault((run.info.id, run.info.created), str(folder))
        if first != str(folder):
            reason = f"it is the same run as {first}"
            skipped.append(SkippedFolder(str(folder), reason, damaged=False))
            continue
        runs.append(run)
        notes += [f"{folder}: {note}" for note in loaded.notes]
    notes += [f"{one.folder} is left out: {one.reason}" for one in skipped]
    if not runs:
        where = ", ".join(map(str, directories))
        why = [f"{one.folder}: {one.reason}" for one in skipped]
        raise ConfigurationError(*(why or [f"there is no other run below {where}"]), hint=hint)
    for note in notes:
        observer.say(f"netbench: {note}")
    return runs, skipped


def _own(directories: Sequence[Path], skipped: list[SkippedFolder]) -> Iterator[Path]:
    """Yield every run folder once."""
    seen: set[Path] = set()
    for directory in directories:
        for folder in _folders(directory, skipped):
            if folder.resolve() not in seen:
                seen.add(folder.resolve())
                yield folder


def _read(run: LoadedRun) -> HistoryRun:
    return history_run(measured("", str(run.path), run.shown, run.records(), run.damage))


def _folders(directory: Path, skipped: list[SkippedFolder]) -> Iterator[Path]:
    """Yield the run folders below a directory, or itself, in the order of their names."""

    def unreadable(error: OSError) -> None:
        reason = error.strerror or str(error)
        skipped.append(SkippedFolder(str(error.filename), reason, damaged=True))

    for place, below, files in os.walk(directory, onerror=unreadable):
        below.sort()
        if len(Path(place).relative_to(directory).parts) == DEPTH or RUN in (*files, *below):
            below.clear()  # what is in a run folder is its own
        if (Path(place) / RUN).exists():
            yield Path(place)
