"""index.html: the runs below a folder, grouped by machine, each with its answer and its pages."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from netbench.analysis.block_pairs import grouped
from netbench.analysis.cell_key import plain
from netbench.record import RunInfo
from netbench.report import conditions, html_env
from netbench.report.budgets import SIGNS
from netbench.report.labels import counted, few, joined
from netbench.store import ListedRun

MARK: Final = '<meta name="generator" content="netbench runs">'
"""Marks a page of netbench's, as opposed to another one of the same name."""
PAGE: Final = "report.html"
LINKED: Final = {
    PAGE: "report",
    "summary.md": "summary",
    "answer.svg": "picture",
    "decision.md": "decision record",
    "summary.json": "figures",
}
"""Files of a run folder that the page leads to where they are there, and what they are called."""
_FOLDED: Final = 10  # runs of a machine that are shown; older ones are folded
_NAMED: Final = 3  # kernels and engines of a machine that are named
_UNREADABLE: Final = "Cannot be read"


@dataclass(frozen=True, slots=True)
class GalleryRun:
    """One run as the page shows it."""

    run: ListedRun
    folder: str  # from the page's folder
    pages: tuple[tuple[str, str], ...]  # what each is, and its address
    problem: str  # why it cannot be read; empty if it can

    @property
    def report(self) -> str:
        """The address of the report; empty without one."""
        return dict(self.pages).get(LINKED[PAGE], "")

    @property
    def budgets(self) -> tuple[tuple[str, bool], ...]:
        """How many budgets stand how, and whether that is well."""
        counts = Counter(self.run.budgets)
        return tuple(
            (f"{SIGNS[standing]} {counted(number, 'budget')} {standing}", standing == "met")
            for standing in SIGNS
            if (number := counts[standing.value])
        )


@dataclass(frozen=True, slots=True)
class GalleryMachine:
    """The runs of one machine, the newest first."""

    title: str
    runs: tuple[GalleryRun, ...]

    @property
    def newest(self) -> tuple[GalleryRun, ...]:
        """Those that are shown at once."""
        return self.runs[:_FOLDED]

    @property
    def older(self) -> tuple[GalleryRun, ...]:
        """Those that are folded."""
        return self.runs[_FOLDED:]

    @property
    def summary(self) -> str:
        """How many runs there are, of which time, kernels and engines."""
        infos = [one.run.info for one in self.runs if one.run.info is not None]
        said = counted(len(self.runs), "run")
        if not infos:
            return said
        first, last = infos[-1].created[:10], infos[0].created[:10]
        when = f"on {first}" if first == last else f"from {first} to {last}"
        kernels = few(list(dict.fromkeys(map(conditions.kernel_text, infos))), _NAMED)
        engines = few(list(dict.fromkeys(map(conditions.engine_named, infos))), _NAMED)
        return plain(f"{said} {when}; kernel {kernels}; {engines}")


def index(parent: Path, found: Sequence[ListedRun], files: Mapping[Path, Collection[str]]) -> str:
    """Return the page of runs below a folder; `files` are those of `LINKED` that each has."""
    runs = [_shown(parent, run, files.get(run.path, ())) for run in found]
    machines = [
        GalleryMachine(title, tuple(own))
        for title, own in grouped((_machine(one.run.info), one) for one in runs).items()
    ]
    machines.sort(key=lambda one: one.title == _UNREADABLE)  # what cannot be read comes last
    template = html_env.environment().get_template("index.html.j2")
    return template.render(
        machines=machines,
        total=len(runs),
        said=_said(len(runs), machines),
        mark=MARK,
        conditions=conditions,
        drivers_named=_drivers,
    )


def _said(runs: int, machines: Sequence[GalleryMachine]) -> str:
    known = sum(one.title != _UNREADABLE for one in machines)
    where = f" on {counted(known, 'machine')}" if known else ""
    return f"{counted(runs, 'run')} of netbench{where}"


def _machine(info: RunInfo | None) -> str:
    """Return what was recorded of a machine; machines of one kind are one where names are not."""
    return _UNREADABLE if info is None else plain(conditions.host_text(info))


def _shown(parent: Path, run: ListedRun, files: Collection[str]) -> GalleryRun:
    folder = run.path.relative_to(parent).as_posix()
    at = quote(folder, errors="replace")
    pages = tuple((called, f"{at}/{name}") for name, called in LINKED.items() if name in files)
    # The page may be published: where its folder lies is nobody's business.
    return GalleryRun(run, folder, pages, run.problem.replace(f"{parent}/", ""))


def _drivers(names: Sequence[str]) -> str:
    """Return the drivers of a run on a line."""
    shown, more = list(names[:8]), len(names) - 8
    return plain(", ".join(shown) if more <= 0 else joined([", ".join(shown), f"{more} more"]))
