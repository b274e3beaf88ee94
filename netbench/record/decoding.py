"""JSON back to values: every field checked, or of a record only what a run is judged by.

Most of a record are its links, routes and slices, of which a report shows a few. Whoever reads many
records takes them lean, and then the few that it shows whole.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Final, Literal, TypeVar

from msgspec import DecodeError, Raw, Struct
from msgspec.json import Decoder

from netbench.record.histogram import Histogram
from netbench.record.observed import EndpointFacts, FactValue
from netbench.record.outcome import (
    TrialTimes,
    Failure,
    Measurement,
    Outcome,
    PathProof,
    Pins,
    PromiseCheck,
    Record,
    Sample,
    SentinelWindow,
    Skip,
    Slice,
    ToolRun,
)
from netbench.record.run import RunInfo
from netbench.spec import Cell, Role

T = TypeVar("T")


class LeanTool(Struct, frozen=True, gc=False):
    """Of a process of a trial what a report counts."""

    role: Role
    argv: tuple[str, ...]
    stdout_file: str


class CountedPart(Struct, frozen=True, gc=False):
    """Of a slice only its value; None where it gave none."""

    value: float | None


class Lean(Struct, frozen=True, gc=False):
    """A record without its links and routes, and without its sample's curves; of slices the values.

    It is a `netbench.record.Trial`.
    """

    number: int
    block: int
    position: int
    attempt: int
    cell: Cell
    replica: int
    outcome: Outcome
    clock: TrialTimes
    pins: Pins
    sentinel: SentinelWindow
    tools: tuple[LeanTool, ...]
    promises: tuple[PromiseCheck, ...]
    facts: tuple[tuple[str, FactValue], ...]
    came_up: bool
    path_held: bool | None
    slices: tuple[CountedPart, ...] = ()


class _Proof(Struct):
    """Of a path only whether it was proved."""

    held: bool


class _LeanLine(Struct, gc=False):
    """A line of records.jsonl: what is left out above need only be JSON."""

    number: int
    block: int
    position: int
    attempt: int
    cell: Raw
    replica: int
    outcome: Raw
    clock: TrialTimes
    pins: Raw
    sentinel: SentinelWindow
    tools: tuple[LeanTool, ...]
    endpoints: Raw
    promises: Raw
    path: _Proof | None
    facts: tuple[tuple[str, FactValue], ...] = ()
    slices: tuple[CountedPart, ...] = ()


class _LeanSample(Struct, gc=False):
    measurements: tuple[Measurement, ...]
    received: int
    histogram: Histogram = ()
    details: tuple[tuple[str, FactValue], ...] = ()
    returned: int = 0
    kind: Literal["sample"] = "sample"


class _WholeLine(Struct, gc=False):
    """A line of records.jsonl."""

    number: int
    block: int
    position: int
    attempt: int
    cell: Cell
    replica: int
    outcome: Raw
    clock: TrialTimes
    pins: Pins
    sentinel: SentinelWindow
    tools: tuple[ToolRun, ...]
    endpoints: tuple[EndpointFacts, ...]
    promises: tuple[PromiseCheck, ...]
    path: PathProof | None
    facts: tuple[tuple[str, FactValue], ...] = ()
    slices: tuple[Slice, ...] = ()


class _Kind(Struct):
    kind: str


_INFO: Final = Decoder(RunInfo)
_LEAN_LINE: Final = Decoder(_LeanLine)
_WHOLE_LINE: Final = Decoder(_WholeLine)
_KIND: Final = Decoder(_Kind)
_SAMPLE: Final = Decoder(Sample)
_LEAN_SAMPLE: Final = Decoder(_LeanSample)
_FAILURE: Final = Decoder(Failure)
_SKIP: Final = Decoder(Skip)
_CELL: Final = Decoder(Cell)
_PINS: Final = Decoder(Pins)
_PROMISES: Final = Decoder(tuple[PromiseCheck, ...])
_NO_ENDPOINTS: Final = len("[]")
_FEW: Final = 4096
"""Cells and pins of a run that are kept, so that each is made once."""
_OF_A_BLOCK: Final = 256
"""Promises that are kept: all trials of an arm in a block tell the same of theirs."""


def run_info_of(text: bytes) -> RunInfo:
    """Return the content of run.json.

    Raises:
        ValueError: which field is not what it should be, or that it is no JSON.
    """
    return _decoded(_INFO, text)


def lean_of(line: bytes) -> Lean:
    """Return one line of records.jsonl lean, every field checked that is in there.

    Raises:
        ValueError: which field is not what it should be, or that it is no JSON.
    """
    found = _decoded(_LEAN_LINE, line)
    return Lean(
        found.number,
        found.block,
        found.position,
        found.attempt,
        _cell(bytes(found.cell)),
        found.replica,
        _outcome(bytes(found.outcome), _lean_sample),
        found.clock,
        _pins(bytes(found.pins)),
        found.sentinel,
        found.tools,
        _promises(bytes(found.promises)),
        found.facts,
        memoryview(found.endpoints).nbytes > _NO_ENDPOINTS,
        None if found.path is None else found.path.held,
        found.slices,
    )


def record_of(line: bytes) -> Record:
    """Return one line of records.jsonl, every field of it checked.

    Raises:
        ValueError: which field is not what it should be, or that it is no JSON.
    """
    found = _decoded(_WHOLE_LINE, line)
    return Record(
        number=found.number,
        block=found.block,
        position=found.position,
        attempt=found.attempt,
        cell=found.cell,
        replica=found.replica,
        outcome=_outcome(bytes(found.outcome), _SAMPLE.decode),
        clock=found.clock,
        pins=found.pins,
        sentinel=found.sentinel,
        tools=found.tools,
        endpoints=found.endpoints,
        promises=found.promises,
        path=found.path,
        facts=found.facts,
        slices=found.slices,
    )


@lru_cache(_FEW)
def _cell(text: bytes) -> Cell:
    return _part(_CELL, text, "cell")


@lru_cache(_FEW)
def _pins(text: bytes) -> Pins:
    return _part(_PINS, text, "pins")


@lru_cache(_OF_A_BLOCK)
def _promises(text: bytes) -> tuple[PromiseCheck, ...]:
    return _part(_PROMISES, text, "promises")


def _part(reader: "Decoder[T]", text: bytes, field: str) -> T:
    try:
        return reader.decode(text)
    except DecodeError as exc:
        raise _below(field, exc) from exc


def _below(field: str, error: DecodeError) -> DecodeError:
    """Return a complaint about a part as one about the record that has it in this field."""
    return DecodeError(str(error).replace("`$", f"`$.{field}", 1))


def _outcome(text: bytes, sample: Callable[[bytes], Sample]) -> Outcome:
    try:
        return _of_its_kind(text, sample)
    except DecodeError as exc:
        raise _below("outcome", exc) from exc


def _of_its_kind(text: bytes, sample: Callable[[bytes], Sample]) -> Outcome:
    """Return an outcome by its kind, which netbench writes last."""
    if text.endswith(b'"kind":"sample"}'):
        return sample(text)
    match _KIND.decode(text).kind:
        case "sample":
            return sample(text)
        case "failure":
            return _FAILURE.decode(text)
        case "skip":
            return _SKIP.decode(text)
        case other:
            raise DecodeError(f"Unknown kind {other!r} - at `$.kind`")


def _lean_sample(text: bytes) -> Sample:
    found = _LEAN_SAMPLE.decode(text)
    return Sample(
        found.measurements,
        found.received,
        histogram=found.histogram,
        details=found.details,
        returned=found.returned,
    )


def _decoded(reader: "Decoder[T]", text: bytes) -> T:
    try:
        return reader.decode(text)
    except RecursionError as exc:
        raise ValueError("nested too deeply") from exc
