"""The run folder, read back; `netbench.store.writing` writes it. And JSON documents as text.

Nothing of a folder is taken on trust: only regular files are read, a line is a record only if it
may be one of the plan (`netbench.record.checks`), and what is left out of a folder is told.
"""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from msgspec import to_builtins
from msgspec.json import Decoder
from msgspec.json import format as indented

from netbench.errors import RunFolderError, cut
from netbench.record import SCHEMA, RunInfo
from netbench.record.checks import run_problem
from netbench.store.output import RAW as RAW
from netbench.store.output import RECORDS as RECORDS
from netbench.store.output import RUN as RUN
from netbench.store.output import file_problem as file_problem
from netbench.store.output import folder_problem as folder_problem
from netbench.store.output import write_whole as write_whole
from netbench.store.records import LONGEST, decoded, not_regular, reason_of
from netbench.store.records import LoadedRun as LoadedRun
from netbench.store.writing import RunFolder as RunFolder
from netbench.store.writing import check_writable as check_writable
from netbench.system.files import NotRegular, check_regular, open_regular, read_regular
from netbench.units import escaped

SUMMARY: Final = "summary.json"
_LARGEST: Final = 1 << 26  # bytes of `run.json` or `summary.json` at most
_DEEPEST: Final = 3  # folders between a page of runs and a run's folder, that one included
_INFO: Final = Decoder(RunInfo)


@dataclass(frozen=True, slots=True)
class ListedRun:
    """One folder of `list_runs`."""

    path: Path
    info: RunInfo | None
    records: int  # lines of `records.jsonl`; 0 before the first trial has ended
    problem: str  # why `info` is None, else empty
    lead: str | None = None  # the outcome in one sentence, as in its last report, if any
    budgets: tuple[str, ...] = ()  # how each budget stands in each cell, by the same


def load(path: Path) -> LoadedRun:
    """Open a run folder to read it; RunFolderError if it is none, damaged, or of another schema."""
    hint = "`netbench runs` lists the run folders there are"
    try:
        text = _content(path, hint)
        _check_kinds(path)
        _check_schema(path / RUN, text)
        info = decoded(_INFO, text)
    except ValueError as exc:
        raise RunFolderError(f"{path / RUN} is damaged: {reason_of(exc)}", hint=hint) from exc
    if problem := run_problem(info):
        raise RunFolderError(f"{path / RUN} is damaged: {problem}", hint=hint)
    return LoadedRun(path, info)


def _content(path: Path, hint: str) -> bytes:
    try:
        if not path.exists():
            raise RunFolderError(f"{path} does not exist", hint=hint)
        if not path.is_dir():
            raise RunFolderError(f"{path} is a file, not a run folder", hint=hint)
        return read_regular(path / RUN, _LARGEST)
    except FileNotFoundError as exc:
        empty = not any(path.iterdir())
        what = "is empty" if empty else f"is not a run folder: it holds no {RUN}"
        raise RunFolderError(f"{path} {what}", hint=hint) from exc
    except NotRegular as exc:
        raise not_regular(path / RUN, exc) from exc
    except OSError as exc:
        raise RunFolderError(f"{exc.filename or path} is unreadable: {exc.strerror}") from exc


def _check_kinds(path: Path) -> None:
    """Raise where a FIFO, a device or a directory stands for a file that is read later."""
    for name in (RECORDS, SUMMARY):
        try:
            check_regular(path / name)
        except NotRegular as exc:
            raise not_regular(path / name, exc) from exc
        except OSError:
            continue  # absent, or unreadable: told where it is needed


def list_runs(parent: Path) -> tuple[ListedRun, ...]:
    """Return every run folder in `parent`, the newest first; nothing where there is no parent."""
    if not parent.is_dir():
        return ()
    found = [_listed(path.parent) for path in parent.glob(f"*/{RUN}")]
    return tuple(sorted(found, key=lambda run: run.path.name, reverse=True))


def runs_below(parent: Path) -> tuple[ListedRun, ...]:
    """Return every run folder below a folder, the newest first: in it, or in a folder of it.

    Links, hidden folders, other file systems and what lies in run folders are left out.
    """
    found = sorted(_folders_below(parent, _DEEPEST, parent.stat().st_dev), key=_newest)
    return tuple(map(_listed, reversed(found)))


def _folders_below(parent: Path, depth: int, device: int) -> Iterator[Path]:
    with suppress(OSError), os.scandir(parent) as entries:
        for entry in sorted(entries, key=lambda one: one.name):
            with suppress(OSError):
                if entry.name.startswith(".") or not entry.is_dir(follow_symlinks=False):
                    continue
                path = parent / entry.name
                if os.path.lexists(path / RUN):
                    yield path
                elif depth > 1 and entry.stat(follow_symlinks=False).st_dev == device:
                    yield from _folders_below(path, depth - 1, device)


def _newest(path: Path) -> tuple[str, str]:
    """Sort by the time that a run folder's name begins with."""
    return path.name, str(path)


def _check_schema(path: Path, text: bytes) -> None:
    """Raise unless this is a `run.json` of a version that this code reads."""
    try:
        document: Any = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise RunFolderError(f"{path} is damaged: {cut(str(exc))}") from exc
    schema = document.get("schema") if isinstance(document, dict) else None
    if not isinstance(schema, int) or isinstance(schema, bool) or schema < 1:
        raise RunFolderError(f"{path} is not netbench's: it names no schema version")
    if schema < SCHEMA:
        raise RunFolderError(
            f"{path} was written by netbench's unreleased schema {schema}; measure again"
        )
    if schema > SCHEMA:
        raise RunFolderError(
            f"{path} was written by schema {cut(str(schema), 20)}; this netbench reads {SCHEMA}",
            hint="upgrade netbench to read it",
        )


def _listed(path: Path) -> ListedRun:
    try:
        info, problem = load(path).info, ""
    except RunFolderError as exc:
        info, problem = None, exc.message
    try:
        with open_regular(path / RECORDS) as file:
            lines = sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(LONGEST), b""))
    except OSError:
        lines = 0
    document: dict[str, Any] = {}
    with suppress(OSError, ValueError):
        document = standing(path)
    lead, rows = document.get("lead"), document.get("budgets")
    budgets = tuple(
        str(row.get("final", row.get("status")))
        for row in (rows if isinstance(rows, list) else ())
        if isinstance(row, dict)
    )
    lead = lead if isinstance(lead, str) else None
    return ListedRun(path, info, lines, problem, lead, budgets)


def standing(path: Path) -> dict[str, Any]:
    """Return the document of a run's last report, unchecked; empty if it is no object.

    Raises OSError if it is not there or unreadable, ValueError if it is no JSON.
    """
    try:
        document: Any = json.loads(read_regular(path / SUMMARY, _LARGEST))
    except RecursionError as exc:
        raise ValueError("nested too deeply") from exc
    return document if isinstance(document, dict) else {}


def json_text(document: object) -> str:
    """Return a JSON document as text without control characters, and without NaN or infinity."""
    plain = to_builtins(document, enc_hook=list)
    line = json.dumps(plain, allow_nan=False, ensure_ascii=False)
    # Half a character, as tools may print it, passes through.
    text = indented(line.encode("utf-8", "surrogatepass"), indent=2)
    shown = escaped(text.decode("utf-8", "surrogatepass"), lambda c: json.dumps(c)[1:-1])
    return f"{shown}\n"
