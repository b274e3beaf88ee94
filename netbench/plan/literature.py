"""The `[[published]]` tables of a suite: what others measured, to stand beside its own figures."""

import math
from collections.abc import Mapping
from typing import Any, Final, get_args

from netbench.errors import ConfigurationError
from netbench.plan.drivers import driver_named
from netbench.plan.toml_problems import Located
from netbench.probes.base import AnyProbe
from netbench.record import METRICS, Direction, PublishedComparison
from netbench.spec import Path, Placement

_TEXTS: Final = ("source", "url", "conditions")
_CELL: Final = ("path", "probe", "placement")
_KEYS: Final = {
    *(*_TEXTS, *_CELL, "driver", "baseline", "metric", "ratio", "direction", "comparable", "why"),
}
_USUAL: Final = "host"
_DIRECTIONS: Final[tuple[Direction, ...]] = get_args(Direction)


def read_published(
    raw: Any,
    file: Located,
    probes: Mapping[str, AnyProbe],
    cells: tuple[tuple[str, Placement], ...],
) -> tuple[PublishedComparison, ...]:
    """Return the published comparisons of a suite, noting every problem where it stands.

    Args:
        raw: what stands under `published`.
        file: the suite.
        probes: those that the suite configures.
        cells: probe and placement of those that it measures.
    """
    if not isinstance(raw, list):
        file.note("", "published", "published comparisons stand in tables: [[published]]")
        return ()
    found = []
    for number, table in enumerate(raw, start=1):
        if not isinstance(table, dict):
            file.note("", "published", f"published {number} must be a table", number)
            continue
        one = _Table(file, number, table).read(probes, cells)
        found += [one] if one else []
    return tuple(found)


class _Table:
    """Reads one table."""

    def __init__(self, file: Located, number: int, table: Mapping[str, Any]) -> None:
        self._file = file
        self._number = number
        self._table = table
        self._right = True

    def read(
        self, probes: Mapping[str, AnyProbe], cells: tuple[tuple[str, Placement], ...]
    ) -> PublishedComparison | None:
        """Return the comparison, None where something is wrong with it."""
        where = f"published {self._number}: "
        before = len(self._file.problems)
        self._file.unknown(dict(self._table), _KEYS, "published", where, self._number)
        self._right = len(self._file.problems) == before
        texts = {key: self._text(key) for key in _TEXTS}
        driver, baseline = self._driver("driver"), self._driver("baseline", _USUAL)
        if driver == baseline:
            self._note("driver", f"driver and baseline are both {driver}")
        ratio = self._ratio()
        direction = self._direction(ratio)
        why = self._why()
        metric = self._metric()
        cell = dict.fromkeys(_CELL, "") if why else self._cell(probes, cells, metric)
        if not self._right:
            return None
        return PublishedComparison(
            source=texts["source"],
            url=texts["url"],
            driver=driver,
            baseline=baseline,
            metric=metric,
            direction=direction,
            ratio=ratio,
            conditions=texts["conditions"],
            path=cell["path"],
            probe=cell["probe"],
            placement=cell["placement"],
            incomparable=why,
        )

    def _note(self, key: str, problem: str) -> None:
        self._right = False
        place = ("published", key) if key in self._table else ("", "published")
        self._file.note(*place, f"published {self._number}: {problem}", self._number)

    def _text(self, key: str) -> str:
        value = self._table.get(key)
        if not isinstance(value, str) or not value.strip():
            self._note(key, f"{key} must be text, not {value!r}")
        return str(value)

    def _driver(self, key: str, usual: str | None = None) -> str:
        value = self._table.get(key, usual)
        if not isinstance(value, str):
            self._note(key, f"{key} must be that of a driver, not {value!r}")
            return ""
        try:
            return driver_named(value).name
        except ConfigurationError as exc:
            for problem in exc.problems:
                self._note(key, problem)
            return ""

    def _ratio(self) -> float | None:
        value = self._table.get("ratio")
        if value is None:
            return None
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value) or value <= 0:
            self._note("ratio", f"ratio is driver / baseline, above 0, not {value!r}")
            return None
        return float(value)

    def _direction(self, ratio: float | None) -> Direction:
        """Return which way it points: as the table says, else as its ratio does."""
        value = self._table.get("direction")
        if value is None and ratio is not None:
            return "same" if ratio == 1 else "more" if ratio > 1 else "less"
        for known in _DIRECTIONS:
            if value == known:
                if known == "same" or ratio is None or (ratio > 1) == (known == "more"):
                    return known
                self._note("direction", f"direction {known} contradicts the ratio {ratio:g}")
                return known
        offered = ", ".join(_DIRECTIONS)
        self._note(
            "direction", f"direction must be one of {offered}, or left to `ratio`; not {value!r}"
        )
        return "same"

    def _why(self) -> str:
        """Return why it cannot be compared, empty where it can."""
        comparable, why = self._table.get("comparable", True), self._table.get("why", "")
        if not isinstance(comparable, bool):
            self._note("comparable", f"comparable is true or false, not {comparable!r}")
            return ""
        if not isinstance(why, str) or bool(why) == comparable:
            self._note(
                "why", "why says in words why it cannot be compared: with comparable = false"
            )
            return ""
        return why

    def _metric(self) -> str:
        value = self._table.get("metric")
        if isinstance(value, str) and value in METRICS and METRICS[value].compared:
            return value
        offered = ", ".join(name for name, metric in METRICS.items() if metric.compared)
        self._note("metric", f"metric must be one of {offered}, not {value!r}")
        return ""

    def _cell(
        self,
        probes: Mapping[str, AnyProbe],
        cells: tuple[tuple[str, Placement], ...],
        metric: str,
    ) -> dict[str, str]:
        """Return where its counterpart is measured."""
        path, probe, placement = (self._table.get(key) for key in _CELL)
        if path not in list(Path):
            self._note("path", f"path must be one of {', '.join(Path)}, not {path!r}")
        if (probe, placement) not in [(name, at.value) for name, at in cells]:
            known = ", ".join(f"{name} {at}" for name, at in cells) or "none"
            self._note(
                "probe",
                f"the suite has no cell of probe {probe!r} and placement {placement!r}; it has: "
                f"{known} (or say comparable = false, and why)",
            )
        elif metric and metric not in probes[str(probe)].metrics:
            offered = ", ".join(probes[str(probe)].metrics)
            self._note("metric", f"{probe} gives {offered}; not {metric}")
        return {"path": str(path), "probe": str(probe), "placement": str(placement)}
