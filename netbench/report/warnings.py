"""Every warning of a run once: whom it concerns, what was seen, and what to do."""

from dataclasses import dataclass

from netbench.analysis.cell_key import plain
from netbench.analysis.model import Analysis, Contrast
from netbench.report.labels import capital, joined, key_of


@dataclass(frozen=True, slots=True)
class RunWarning:
    """One warning."""

    kind: str
    whom: str
    """Drivers and cells; empty where it concerns the whole run."""
    message: str
    advice: str

    @property
    def text(self) -> str:
        """The warning on one line."""
        said = f"{self.message}. {self.advice}."
        return plain(f"{self.whom}: {said}" if self.whom else capital(said))


def doubts(analysis: Analysis) -> tuple[RunWarning, ...]:
    """Return every warning once, the run's own first."""
    found: dict[tuple[str, str, str], list[Contrast]] = {}
    for warning in analysis.warnings:
        found.setdefault((warning.kind, warning.message, warning.advice), [])
    for contrast in analysis.contrasts:
        for warning in contrast.warnings if contrast.primary else ():
            words = (warning.kind, warning.message, warning.advice)
            found.setdefault(words, []).append(contrast)
    return tuple(
        RunWarning(kind, _whom(whom), message.rstrip("."), capital(advice.rstrip(".")))
        for (kind, message, advice), whom in found.items()
    )


def _whom(contrasts: list[Contrast]) -> str:
    """Return `bridge and container in tcp-rr on one core and tcp-rr on two cores`."""
    drivers: dict[str, list[str]] = {}
    for contrast in contrasts:
        cell = f"{contrast.probe} {key_of(contrast).place}"
        drivers.setdefault(cell, []).append(contrast.driver)
    cells: dict[tuple[str, ...], list[str]] = {}
    for cell, names in drivers.items():
        cells.setdefault(tuple(names), []).append(cell)
    return "; ".join(f"{joined(list(who))} in {joined(where)}" for who, where in cells.items())
