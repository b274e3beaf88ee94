"""report.html: one file with everything in it, under a policy that forbids the network."""

from collections.abc import Iterable

from markupsafe import Markup

from netbench.analysis.cell_key import plain
from netbench.analysis.digest_model import Digest
from netbench.analysis.model import Analysis
from netbench.record import METRICS, RunInfo
from netbench.report import (
    answer,
    budgets,
    labels,
    literature,
    long_tables,
    matrix,
    overview,
    sections,
)
from netbench.report.ceiling import copies, loopbacks
from netbench.report.costs import cost_notes, cost_rows
from netbench.report.data_table import DataTable, of_figure, packed_rows
from netbench.report.drawing import drawing
from netbench.report.engine_host import unread
from netbench.report.figures import Figure, FigureData, chapters
from netbench.report.figures.static import svg
from netbench.report.forest import forest, label
from netbench.report.glossary import TERMS
from netbench.report.html_env import dark_colours, packed, packed_plotly, render
from netbench.report.limits import limits
from netbench.report.palette import driver_colours
from netbench.report.problems import problem_lines
from netbench.report.sentences import (
    baseline_check,
    driver_sentence,
    engine_line,
    fact,
    lead,
    uncompared,
)
from netbench.report.sharing import MEANINGS, WORDS
from netbench.report.stopping import ending, extension
from netbench.report.tradeoff import measure_name, trades
from netbench.report.validity import stamp
from netbench.report.verdict_text import details, judgement, shared_by
from netbench.report.warnings import doubts


def page(info: RunInfo, analysis: Analysis, digest: Digest) -> str:
    """Return the whole page."""
    colours = driver_colours(info.plan.drivers, analysis.baseline)
    found = chapters(FigureData(analysis, digest, colours, info.plan))
    figures = [figure for chapter in found for figure in chapter.figures]
    tables = {figure.id: of_figure(figure) for figure in figures}
    contrasts, records = long_tables.contrasts(analysis), long_tables.records(digest)
    namespaces = sections.namespaces(info, digest)
    inodes, commands = long_tables.inodes(namespaces), long_tables.commands(digest)
    return render(
        "page.html.j2",
        colours,
        info=info,
        analysis=analysis,
        digest=digest,
        plotly=packed_plotly(),
        data=_data(figures, (*tables.values(), contrasts, inodes, commands, records)),
        question=_question(info, analysis),
        metrics=_metrics(analysis),
        # the first screen
        engine_line=engine_line(info),
        stamp=stamp(info, analysis, digest),
        lead=lead(analysis, digest),
        answers=answer.answers(info, analysis, digest),
        check=baseline_check(analysis),
        shared=shared_by(analysis),
        judgement=judgement,
        details=details,
        overview=overview.charts(info, analysis, digest),
        ending=ending(info, analysis),
        extension=extension(info, analysis, ""),
        budgets_told=budgets.told(info, analysis),
        budget_results=budgets.ordered(analysis),
        budget=budgets,
        # isolation and measures
        trades=trades(info, analysis, digest),
        measure_name=measure_name,
        forest=forest(analysis),
        bar_label=label,
        contrast_id=labels.contrast_id,
        beside=matrix.measures(info, analysis),
        others=matrix.others(info, analysis),
        contrasts=contrasts,
        uncompared=uncompared(analysis),
        sentences=[(d, driver_sentence(analysis, digest, d)) for d in info.plan.drivers],
        copies=copies(analysis),
        loopbacks=loopbacks(info, analysis),
        # figures, costs, paths
        chapters=found,
        tables=tables,
        stills={figure.id: svg(figure.spec, figure.title) for figure in figures},
        aa=sections.aa_rows(analysis),
        key_of=labels.key_of,
        costs=cost_rows(analysis, digest),
        cost_notes=cost_notes(info, digest),
        literature=literature.lines(info, analysis),
        paths=sections.paths(info, digest),
        drawing=drawing,
        views=[view for driver in info.plan.drivers if (view := digest.view(driver))],
        several_paths=len({cell.path for cell in info.plan.cells}) > 1,
        # the setting
        namespaces=namespaces,
        inodes=inodes,
        meanings=MEANINGS,
        sharing=WORDS,
        facts=sections.environment(info),
        unread=unread(info),
        kernel=sections.fact_text(fact(info, "kernel.release")),
        host=sections.host_text(info),
        engine_named=sections.engine_named(info),
        limits=limits(info, analysis, digest),
        terms=TERMS,
        doubts=doubts(analysis),
        probes=sections.probe_lines(info),
        commands=commands,
        problems=problem_lines(info, digest),
        records=records,
    )


def _question(info: RunInfo, analysis: Analysis) -> str:
    """Return what the run was made to answer."""
    others = [plain(d) for d in info.plan.drivers if d != analysis.baseline]
    if not others:
        return f"What does {plain(analysis.baseline)} cost, and what does it isolate?"
    if len(others) > _NAMED:
        return f"What do {len(others) + 1} network drivers cost, and what do they isolate?"
    one = len(others) == 1
    return (
        f"What {'does' if one else 'do'} {labels.joined(others)} cost against "
        f"{plain(analysis.baseline)}, and what {'does it' if one else 'do they'} isolate?"
    )


_NAMED = 4
"""Drivers that the question names; more of them are counted."""


def _metrics(analysis: Analysis) -> tuple[tuple[str, str], ...]:
    """Return name and title of every metric that has a contrast, in the table's order."""
    seen = {contrast.metric for contrast in analysis.contrasts}
    return tuple((name, METRICS[name].title) for name in METRICS if name in seen)


def _data(figures: Iterable[Figure], tables: Iterable[DataTable]) -> Markup:
    """Return what the page's script draws and unfolds."""
    content = packed(
        {
            "figures": {figure.id: figure.spec for figure in figures},
            "dark": dark_colours(),
            "tables": packed_rows(tables),
        }
    )
    return Markup(content)  # noqa: S704 - no letter of markup
