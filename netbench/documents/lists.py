"""The documents of the commands that list something, and of errors."""

from typing import Literal, NotRequired

from typing_extensions import TypedDict

Status = Literal["running", "complete", "out-of-time", "interrupted", "engine-lost"]


class DriverRow(TypedDict):
    """One driver: whether it can run here."""

    name: str
    possible: bool | None
    """null where that depends on what the user puts into the name."""
    reason: str
    summary: str
    isolates: str
    options: list[str]


class DriversDocument(TypedDict):
    """What `drivers --json` prints."""

    schema: Literal[1]
    engine: str
    drivers: list[DriverRow]


class CheckRow(TypedDict):
    """One thing that was looked at."""

    name: str
    ok: bool
    needed: bool
    found: str
    fix: str


class DoctorDocument(TypedDict):
    """What `doctor --json` prints."""

    schema: Literal[1]
    measurable: bool
    doctor: list[CheckRow]


class RunRow(TypedDict):
    """One run folder."""

    folder: str
    records: int
    problem: str
    """Why it cannot be read; then only these three fields are there."""
    created: NotRequired[str]
    engine: NotRequired[str]
    drivers: NotRequired[list[str]]
    baseline: NotRequired[str]
    suite: NotRequired[str]
    blocks: NotRequired[int]
    status: NotRequired[Status]
    lead: NotRequired[str | None]
    """The outcome in one sentence; null where there is no report yet."""


class RunsDocument(TypedDict):
    """What `runs --json` prints."""

    schema: Literal[1]
    runs: list[RunRow]


class CleanRow(TypedDict):
    """One thing that carries netbench's label."""

    kind: str
    id: str
    name: str
    run: str
    live: bool
    """Whether a netbench that still runs has made it."""
    action: str


class CleanDocument(TypedDict):
    """What `clean --json` prints."""

    schema: Literal[1]
    clean: list[CleanRow]


class ErrorRow(TypedDict):
    """What failed, why, and what fixes it."""

    kind: str
    message: str
    hint: str
    problems: list[str]


class ErrorDocument(TypedDict):
    """What any command with `--json` prints instead where it fails."""

    schema: Literal[1]
    error: ErrorRow
