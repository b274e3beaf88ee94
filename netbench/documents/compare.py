"""The document of `compare`."""

from typing import Literal

from msgspec import Struct

from netbench.analysis.compare.model import Basis
from netbench.analysis.model import QualityWarning, Verdict
from netbench.documents.run import BudgetRow
from netbench.spec import Path, Placement

Value = str | int | float | bool | list[str] | None


class ComparedRun(Struct, frozen=True):
    """One of the runs."""

    label: str
    folder: str
    engine: str


class DifferenceRow(Struct, frozen=True):
    """A fact in which two runs differ."""

    fact: str
    left: Value
    """null where the run does not have it."""
    right: Value
    confounder: bool
    accepted: bool
    meaning: str
    run: str
    """Label of the right one."""
    driver: str | None
    path: str | None
    probe: str | None
    placement: str | None
    link: str


class SideRow(Struct, frozen=True):
    """What one run has of a contrast."""

    run: str
    blocks: int
    level: float | None
    median: float | None
    reason: str


class RunContrastRow(Struct, frozen=True):
    """One driver in two runs: one metric, one cell."""

    driver: str
    baseline: str
    path: Path
    probe: str
    placement: Placement
    metric: str
    unit: str
    primary: bool
    basis: Basis
    left: SideRow
    right: SideRow
    ratio: float | None
    low: float | None
    high: float | None
    difference: float | None
    verdict: Verdict
    reason: str
    """Why it is undecided; empty where it is decided or withheld."""
    blocks: int
    noise_floor: float | None
    machine: float | None
    withheld: list[str]
    """Facts for which there is no verdict."""
    warnings: list[QualityWarning]


class MachineRow(Struct, frozen=True):
    """What the sentinel read in both runs."""

    run: str
    placement: Placement
    left: float | None
    right: float | None
    ratio: float | None
    unit: str


class CompareDocument(Struct, frozen=True):
    """What `compare --json` prints."""

    schema: Literal[2]
    left: str
    right: str
    runs: list[ComparedRun]
    page: str
    exit: int
    accepted: list[str]
    alpha: float | None
    margin: float
    differences: list[DifferenceRow]
    contrasts: list[RunContrastRow]
    machine: list[MachineRow]
    verdict_withheld: bool
    withheld_by: list[str]
    budgets: list[BudgetRow]
