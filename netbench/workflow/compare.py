"""Run folders compared: which may be, under which labels, and how that ends."""

import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from netbench.analysis.compare import compare, measured
from netbench.analysis.compare.differences import differences
from netbench.analysis.compare.model import HistoryRead, Measured, RunComparison
from netbench.analysis.trend.history import FREEDOM, History, KnownScatter
from netbench.drivers import DRIVERS, full_name
from netbench.errors import INCOMPLETE, NOT_KEPT, ConfigurationError, RunFolderError
from netbench.facts.registry import FACTS
from netbench.plan import nearest, scope_of_runs, sound_budgets
from netbench.record import RunInfo
from netbench.report.compare import html
from netbench.report.labels import counted
from netbench.spec import Cell
from netbench.store import LoadedRun, file_problem, load, write_whole
from netbench.units import SPELLINGS, some
from netbench.workflow.history import directory_problems, read_history
from netbench.workflow.options import Observer

_LABEL: Final = re.compile(r"([A-Za-z][A-Za-z0-9_-]*)=(.+)", re.DOTALL)
_UNITS: Final = frozenset(word for words in SPELLINGS.values() for word in words if word)
_LEAST: Final = 2
_MOST: Final = 26  # runs at most: each has a letter
_AGAIN: Final = "-again"  # end of the label of a run that confirms another


def compare_folders(
    folders: Sequence[str],
    *,
    accept: Sequence[str],
    require: Sequence[str],
    allow_undecided: bool,
    output: Path | None,
    observer: Observer,
    confirm: str | None = None,
    history: Sequence[Path] = (),
) -> tuple[RunComparison, Path, int]:
    """Compare runs and write the page; return the result, the page's path and the exit code.

    `confirm` is another run of the last one: what misses its budget there is judged again by it.
    `history` are directories with run folders below them, which tell how far runs lie apart.

    Raises ConfigurationError with all that is wrong, RunFolderError for a folder or the page.
    """
    empty = ["FOLDERS"] if not all(folder.strip() for folder in folders) else []
    empty += ["--confirm"] if confirm is not None and not confirm.strip() else []
    problems = [f"{one}: a name is empty; name run folders" for one in empty]
    problems += directory_problems(history, "--history")
    if output is not None and (problem := file_problem(output)):
        problems.append(f"--output: {problem}")
    if problems:
        raise ConfigurationError(*problems)
    runs, again = _loaded(folders, confirm, accept)
    _check_common(runs)
    scope = scope_of_runs({label: run.info.plan for label, run in runs.items()})
    budgets = sound_budgets(require, scope)
    taken = [
        measured(label, str(run.path), run.shown, run.records(), run.damage)
        for label, run in (runs | again).items()
    ]
    for run in (runs | again).values():
        for note in run.notes:
            observer.say(f"netbench: {run.path}: {note}")
    second = taken.pop() if again else None
    _check_second(taken[-1], second)
    known = [*runs.values(), *again.values()]
    scatter_of, read = _history(history, accept, known, observer)
    result = compare(
        taken,
        tuple(accept),
        budgets,
        allow_undecided=allow_undecided,
        again=second,
        scatter_of=scatter_of,
        history=read,
    )
    _check_history(result)
    target = output or _default_page(list(runs.values()))
    page = write_whole(target, html(result).encode("utf-8", "replace"))
    return result, page, _exit_code(result)


def _history(
    directories: Sequence[Path],
    accept: Sequence[str],
    compared: Sequence[LoadedRun],
    observer: Observer,
) -> tuple[KnownScatter | None, HistoryRead | None]:
    """Return the scatter between the runs below directories, those compared aside, if asked for."""
    if not directories:
        return None, None
    try:
        found, _ = read_history(directories, observer, compared)
    except ConfigurationError as exc:
        problems = [f"--history: {one}" for one in exc.problems]
        raise ConfigurationError(*problems, hint=exc.hint) from exc
    read = HistoryRead(tuple(map(str, directories)), len(found))
    return KnownScatter(History(found), accept), read


def _check_history(result: RunComparison) -> None:
    """Raise where a history is too short for every comparison that there is a figure of."""
    made = [one for pairing in result.pairings for one in pairing.contrasts if one.ratio]
    if result.history and made and not any(one.history for one in made):
        runs = counted(result.history.runs, "run")
        raise ConfigurationError(
            f"--history: {runs} beside those compared, and no comparison has {FREEDOM + 1} under "
            "the conditions of one of the two: too few for a scatter between runs",
            hint="add runs to the history, or compare without it",
        )


def _exit_code(result: RunComparison) -> int:
    """Return 1 where a budget is not kept, 3 where a record or a comparison is missing, else 0."""
    if not result.budgets_kept:
        return NOT_KEPT
    missing = any(run.analysis.missing for run in result.runs) or any(
        one.withheld or not (one.left.measured and one.right.measured)
        for pairing in result.pairings
        for one in pairing.contrasts
        if one.primary
    )
    return INCOMPLETE if missing else 0


def _loaded(
    folders: Sequence[str], confirm: str | None, accept: Sequence[str]
) -> tuple[dict[str, LoadedRun], dict[str, LoadedRun]]:
    """Return the runs by label, and the one that confirms the last of them, if it is asked for.

    Raises everything that is wrong with them and with `--accept`.
    """
    named = [(label or _letter(at), path) for at, (label, path) in enumerate(map(_split, folders))]
    second = []
    if confirm is not None:
        label, path = _split(confirm)
        second = [(label or f"{named[-1][0]}{_AGAIN}", path)]
    found: list[LoadedRun] = []
    errors: list[RunFolderError] = []
    for _, path in (*named, *second):
        try:
            found.append(load(path))
        except RunFolderError as exc:
            errors.append(exc)
    infos = [run.info for run in found]
    problems = accept_problems(accept, infos) + _label_problems(named, second)
    if second and not errors and infos[-1].id in {info.id for info in infos[:-1]}:
        problems.append(f"--confirm: {second[0][1]} holds one of the runs; measure another one")
    if len(errors) == 1 and not problems:
        raise errors[0]
    if problems or errors:
        hint = errors[0].hint if errors else ""
        raise ConfigurationError(*problems, *(error.message for error in errors), hint=hint)
    runs = {label: run for (label, _), run in zip((*named, *second), found, strict=True)}
    return runs, {label: runs.pop(label) for label, _ in second}


def _check_second(last: Measured, second: Measured | None) -> None:
    """Raise ConfigurationError where a confirmation differs from the last run in a confounder."""
    if second is None:
        return
    found = differences(last.conditions, second.conditions)
    facts = dict.fromkeys(one.fact for one in found if one.confounder)
    if facts:
        raise ConfigurationError(
            f"--confirm: {second.run.folder} is no second run of {last.run.folder}: they differ in "
            f"{some(list(facts))}",
            hint="measure again on the same machine, in the same way",
        )


def _split(folder: str) -> tuple[str, Path]:
    """Return label and path of `LABEL=FOLDER`; a folder that is there may have = in its name."""
    match = _LABEL.fullmatch(folder)
    if match is None or Path(folder).exists():
        return "", Path(folder)
    return match[1], Path(match[2])


def _letter(number: int) -> str:
    return chr(ord("A") + number)


def _label_problems(
    named: Sequence[tuple[str, Path]], second: Sequence[tuple[str, Path]]
) -> list[str]:
    problems = []
    if not _LEAST <= len(named) <= _MOST:
        problems.append(f"compare takes {_LEAST} to {_MOST} run folders, not {len(named)}")
    labels: dict[str, Path] = {}
    paths: dict[Path, Path] = {}
    for label, path in (*named, *second):
        if full_name(label) in DRIVERS:
            problems.append(f"label {label!r} is a driver's name; choose another")
        if label in _UNITS:
            problems.append(f"label {label!r} is a unit; choose another")
        if label in labels:
            problems.append(f"two runs are called {label}: {labels[label]} and {path}")
        if path.resolve() in paths:
            problems.append(f"{path} is given twice; a run is compared with another one")
        labels.setdefault(label, path)
        paths.setdefault(path.resolve(), path)
    return problems


def accept_problems(patterns: Sequence[str], runs: Iterable[RunInfo]) -> list[str]:
    """Return what is wrong with `--accept`: names that no fact of the table or the runs has."""
    names = {*FACTS, *(name for run in runs for name, _ in run.facts)}
    return [
        f"--accept: no fact is named {pattern!r}"
        f"{nearest(pattern, FACTS) or '; the table of differences names them'}"
        for pattern in patterns
        # A fact of the table may itself name a family, such as `tool.*`.
        if not any(fnmatchcase(x, pattern) or fnmatchcase(pattern, x) for x in names)
    ]


def _check_common(runs: Mapping[str, LoadedRun]) -> None:
    first, *others = ((label, run.info.plan.cells) for label, run in runs.items())
    problems = [
        f"{first[0]} and {label} have no cell in common: {first[0]} has {_cells(first[1])}; "
        f"{label} has {_cells(cells)}"
        for label, cells in others
        if not set(first[1]) & set(cells)
    ]
    if problems:
        raise ConfigurationError(*problems, hint="compare runs of the same drivers and suite")


def _cells(cells: Sequence[Cell]) -> str:
    return some([f"{c.driver} {c.probe}@{c.placement}@{c.path}" for c in cells]) or "none"


def _default_page(runs: Sequence[LoadedRun]) -> Path:
    """Return `compare-<id>-<id>.html` beside the newest run."""
    newest = max(runs, key=lambda run: run.info.created)
    ids = [re.sub(r"[^A-Za-z0-9]+", "", run.info.id)[:20] for run in runs]
    return newest.path.resolve().parent / f"compare-{'-'.join(ids)}.html"
