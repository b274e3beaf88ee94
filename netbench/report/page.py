"""report.html, one file with everything in it."""

from collections.abc import Iterable, Sequence
from urllib.parse import quote

from markupsafe import Markup

from netbench.analysis import literature
from netbench.analysis.digest_model import Digest
from netbench.analysis.model import Analysis
from netbench.probes import PROBES
from netbench.record import METRICS, RunInfo
from netbench.report import (
    answer,
    conditions,
    drawing,
    driver_costs,
    effects,
    html_env,
    intervals,
    labels,
    long_tables,
    matrix,
    sentences,
    sharing,
    validity,
)
from netbench.report.figures import Figure, FigureData, chapters
from netbench.report.palette import THEMED, driver_colours

_MODULES = (answer, conditions, drawing, effects, intervals, literature, matrix, sentences, sharing)
"""What the page calls itself, beside the modules that every page has."""


def page(info: RunInfo, analysis: Analysis, digest: Digest) -> str:
    """Return the whole page."""
    colours = driver_colours(info.plan.drivers, analysis.baseline)
    found = chapters(FigureData(analysis, digest, colours, info.plan))
    figures = [figure for chapter in found for figure in chapter.figures]
    namespaces = sharing.namespaces(info, digest)
    tables = {
        "contrasts": long_tables.contrasts(analysis),
        "inodes": long_tables.inodes(namespaces),
        "commands": long_tables.commands(digest),
        "records": long_tables.records(digest),
    }
    seen = {contrast.metric for contrast in analysis.contrasts}
    drivers = labels.baseline_first(info)
    return html_env.render(
        "page.html.j2",
        colours,
        info=info,
        analysis=analysis,
        digest=digest,
        plotly=html_env.packed_plotly(),
        data=_data(figures, tables.values()),
        probes=PROBES,
        metrics=[(name, known.title) for name, known in METRICS.items() if name in seen],
        chapters=found,
        namespaces=namespaces,
        views=[view for driver in drivers if (view := digest.view(driver))],
        badges=conditions.Badges(info, analysis, digest),
        stamp=validity.stamp(info, analysis, digest),
        doubts=validity.doubts(analysis),
        problems=validity.problem_lines(info, digest),
        drivers=driver_costs.driver_costs(info, analysis, digest),
        differing=driver_costs.described_costs(info, analysis, digest, differing=True),
        quote=quote,
        **{module.__name__.rpartition(".")[2]: module for module in _MODULES},
        **tables,
    )


def _data(figures: Sequence[Figure], tables: Iterable[long_tables.DataTable]) -> Markup:
    content = html_env.packed(
        {
            "figures": {figure.id: figure.spec for figure in figures if figure.picture},
            "dark": {colour.light: colour.dark for colour in THEMED},
            "tables": long_tables.packed_rows((*(figure.table for figure in figures), *tables)),
        }
    )
    return Markup(content)  # noqa: S704 - no letter of markup
