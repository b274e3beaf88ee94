"""What `--json` prints, as types that JSON Schemas are made from; here lists and errors."""

import math
from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType, to_builtins

from netbench.record import Status


def plain(document: object) -> dict[str, Any]:
    """Return a document as JSON has it; a number that is not finite is null."""
    found: dict[str, Any] = _finite(to_builtins(document, enc_hook=list))
    return found


def _finite(value: Any) -> Any:
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {key: _finite(one) for key, one in value.items()}
        case list() | tuple():
            return [_finite(one) for one in value]
        case _:
            return value


class DriverRow(Struct, frozen=True):
    """One driver: whether it can run here."""

    name: str
    possible: bool | None
    """null where that depends on what the user puts into the name."""
    reason: str
    summary: str
    isolates: str
    options: list[str]
    distribution: str
    """What it comes from: netbench, or a package that adds it by an entry point."""
    version: str
    """The distribution's."""


class ProbeRow(Struct, frozen=True):
    """One kind of probe."""

    name: str
    tool: str
    """The program that every endpoint needs."""
    summary: str
    metrics: list[str]
    """The leading one first."""
    distribution: str
    """As of a driver."""
    version: str


class DriversDocument(Struct, frozen=True):
    """What `drivers --json` prints."""

    schema: Literal[1]
    engine: str
    drivers: list[DriverRow]
    probes: list[ProbeRow]


class CheckRow(Struct, frozen=True):
    """One thing that was looked at."""

    name: str
    ok: bool
    needed: bool
    found: str
    fix: str


class DoctorDocument(Struct, frozen=True):
    """What `doctor --json` prints."""

    schema: Literal[1]
    measurable: bool
    doctor: list[CheckRow]


class RunRow(Struct, frozen=True):
    """One run folder."""

    folder: str
    records: int
    problem: str
    """Why it cannot be read; then only these three fields are there."""
    created: str | UnsetType = UNSET
    engine: str | UnsetType = UNSET
    drivers: list[str] | UnsetType = UNSET
    baseline: str | UnsetType = UNSET
    suite: str | UnsetType = UNSET
    blocks: int | UnsetType = UNSET
    status: Status | UnsetType = UNSET
    lead: str | UnsetType | None = UNSET
    """The outcome in one sentence; null where there is no report yet."""


class RunsDocument(Struct, frozen=True):
    """What `runs --json` prints."""

    schema: Literal[1]
    runs: list[RunRow]


class CleanRow(Struct, frozen=True):
    """One thing that carries netbench's label."""

    kind: str
    id: str
    name: str
    run: str
    live: bool
    """Whether a netbench that still runs has made it."""
    action: str


class CleanDocument(Struct, frozen=True):
    """What `clean --json` prints."""

    schema: Literal[1]
    clean: list[CleanRow]


class ErrorRow(Struct, frozen=True):
    """What failed, why, and what fixes it."""

    kind: str
    message: str
    hint: str
    problems: list[str]


class ErrorDocument(Struct, frozen=True):
    """What any command with `--json` prints instead where it fails."""

    schema: Literal[1]
    error: ErrorRow
