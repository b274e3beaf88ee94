"""Campaigns out of their archives, judged by `netbench.analysis` as `netbench report` would."""

import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from campaigns import RESULTS, SUFFIX
from kinds import KINDS, Kind

from netbench.analysis import Contrast, NullContrast, Verdict, analyse
from netbench.record import EndpointFacts, Record, Sample
from netbench.spec import Role
from netbench.store import load

WRONG = (Verdict.FASTER, Verdict.SLOWER)


@dataclass(frozen=True, slots=True)
class Judged:
    """One campaign, and what netbench says of it."""

    kind: Kind
    folder: str
    contrast: Contrast
    """Of the probe's leading metric, in the state that heads it."""
    null: NullContrast
    """A/A, there."""
    warnings: frozenset[str]
    """Kinds of doubt about the run as a whole."""
    trials: int
    failed: int
    alike: bool
    """Whether the driver's links differ from the baseline's in nothing but names and numbers."""


def campaigns(kind: Kind, results: Path = RESULTS) -> Iterator[Judged]:
    """Yield every campaign of a kind, none where it has no archive."""
    archive = results / f"{kind.name}{SUFFIX}"
    if not archive.exists():
        return
    with tempfile.TemporaryDirectory(prefix="netbench-calibration-") as place:
        with tarfile.open(archive) as packed:
            packed.extractall(place, filter="data")
        for folder in sorted(Path(place, kind.name).iterdir()):
            yield judge(kind, folder)


def judge(kind: Kind, folder: Path) -> Judged:
    """Return one campaign, judged."""
    run = load(folder)
    records = list(run.records())
    analysis = analyse(run.info, records)
    (probe,) = run.info.plan.probes
    leading = probe.metrics[0]
    (contrast,) = (c for c in analysis.contrasts if c.metric == leading and c.headline)
    (null,) = (n for n in analysis.nulls if n.metric == contrast.metric and n.headline)
    return Judged(
        kind=kind,
        folder=folder.name,
        contrast=contrast,
        null=null,
        warnings=frozenset(warning.kind for warning in analysis.warnings),
        trials=len(records),
        failed=sum(not isinstance(record.outcome, Sample) for record in records),
        alike=len({links(record) for record in records if record.endpoints}) == 1,
    )


def links(record: Record) -> tuple[object, ...]:
    """Return what a trial's links are, apart from names, numbers and counters."""
    ends = {end.role: end for end in record.endpoints}
    return tuple(_links(ends[role]) for role in (Role.CLIENT, Role.SERVER) if role in ends)


def _links(end: EndpointFacts) -> tuple[object, ...]:
    return tuple(
        (link.kind, link.mtu, link.qdisc, link.txqlen, link.gso_max_size, link.offloads)
        for link in end.links
    )


def every(results: Path = RESULTS) -> dict[str, list[Judged]]:
    """Return all campaigns by kind."""
    return {kind.name: list(campaigns(kind, results)) for kind in KINDS}
