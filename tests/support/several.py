"""Synthetic runs that differ in what a test says, for comparing them."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from msgspec.json import encode
from msgspec.structs import replace as changed
from support.synthetic import Run, run_of

from netbench.analysis.compare import measured
from netbench.analysis.compare.model import Measured
from netbench.record import (
    EndpointFacts,
    FactValue,
    HopProof,
    Link,
    PathProof,
    Record,
    RunInfo,
    Sample,
    SentinelReading,
)
from netbench.store import RAW, RECORDS, RunFolder

BOTH = ("host", "bridge")
_TAKEN: dict[tuple[int, str], tuple[Run, Measured]] = {}
"""By the run's identity; the run is kept, so that no other has it."""


def run(seed: int, blocks: int = 10, drivers: tuple[str, ...] = BOTH) -> Run:
    """Return a clean run; another seed is the same machine on another day."""
    made = run_of(seed, blocks, drivers, "host" if "host" in drivers else drivers[0])
    return Run(replace(made.info, id=f"{seed:012x}"), made.records)


def with_facts(made: Run, **facts: FactValue) -> Run:
    """Return a run with other facts in `run.json`; `__` in a name stands for its dot."""
    changed = dict(made.info.facts) | {k.replace("__", "."): v for k, v in facts.items()}
    return replace(made, info=replace(made.info, facts=tuple(changed.items())))


def with_records(made: Run, change: Callable[[Record], Record]) -> Run:
    """Return a run whose every record is changed."""
    return replace(made, records=tuple(change(record) for record in made.records))


def scaled(made: Run, factor: float, driver: str | None = None, *, machine: float = 1) -> Run:
    """Return a run with every figure of a driver, or of all, times so much; the sentinel's too."""

    def change(record: Record) -> Record:
        window = record.sentinel
        window = replace(
            window,
            before=_times(window.before, machine),
            after=_times(window.after, machine),
        )
        record, outcome = replace(record, sentinel=window), record.outcome
        if not isinstance(outcome, Sample) or driver not in {None, record.cell.driver}:
            return record
        values = tuple(replace(m, value=m.value * factor) for m in outcome.measurements)
        return replace(record, outcome=changed(outcome, measurements=values))

    return with_records(made, change)


def with_mtu(made: Run, driver: str, mtu: int) -> Run:
    """Return a run in which the links of a driver's path have another MTU."""

    def changed(end: EndpointFacts) -> EndpointFacts:
        return replace(end, links=tuple(_sized(link, mtu) for link in end.links))

    def change(record: Record) -> Record:
        if record.cell.driver != driver or record.path is None:
            return record
        path: PathProof = record.path
        hops: tuple[HopProof, ...] = tuple(replace(hop, mtu=mtu) for hop in path.hops)
        ends = tuple(changed(end) for end in record.endpoints)
        return replace(record, path=replace(path, hops=hops), endpoints=ends)

    return with_records(made, change)


def taken(made: Run, label: str) -> Measured:
    """Return a run as a comparison takes it; read once for all tests."""
    if (id(made), label) not in _TAKEN:
        found = measured(label, f"reports/{label}", made.info, made.records)
        _TAKEN[id(made), label] = made, found
    return _TAKEN[id(made), label][1]


def saved(made: Run, parent: Path) -> Path:
    """Write a run folder."""
    return written(made.info, made.records, parent)


def written(info: RunInfo, records: Iterable[Record], parent: Path) -> Path:
    """Write a run folder of any length; not by `append`, which syncs every line."""
    folder = RunFolder.create(parent, info.plan.drivers, info).path
    with (folder / RECORDS).open("wb") as file:
        file.writelines(encode(record) + b"\n" for record in records)
    (folder / RAW).mkdir(exist_ok=True)
    return folder


def _times(reading: SentinelReading | None, factor: float) -> SentinelReading | None:
    return None if reading is None else replace(reading, value=reading.value * factor)


def _sized(link: Link, mtu: int) -> Link:
    return link if link.name == "lo" else replace(link, mtu=mtu)
