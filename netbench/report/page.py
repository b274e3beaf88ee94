"""report.html: one file with everything in it, under a policy that forbids the network."""

from collections.abc import Iterable

from markupsafe import Markup

from netbench.analysis.digest_model import Digest
from netbench.analysis.literature import beside
from netbench.analysis.model import Analysis
from netbench.record import METRICS, RunInfo
from netbench.report import (
    answer,
    budgets,
    caveats,
    conditions,
    costs,
    drawing,
    driver_costs,
    effects,
    html_env,
    intervals,
    labels,
    long_tables,
    matrix,
    order,
    sentences,
    sharing,
    stopping,
    validity,
)
from netbench.report.figures import Figure, FigureData, chapters
from netbench.report.palette import THEMED, driver_colours


def page(info: RunInfo, analysis: Analysis, digest: Digest) -> str:
    """Return the whole page."""
    colours = driver_colours(info.plan.drivers, analysis.baseline)
    found = chapters(FigureData(analysis, digest, colours, info.plan))
    figures = [figure for chapter in found for figure in chapter.figures]
    data = {figure.id: long_tables.of_figure(figure) for figure in figures}
    namespaces = sharing.namespaces(info, digest)
    tables = {
        "contrasts": long_tables.contrasts(analysis),
        "inodes": long_tables.inodes(namespaces),
        "commands": long_tables.commands(digest),
        "records": long_tables.records(digest),
    }
    return html_env.render(
        "page.html.j2",
        colours,
        info=info,
        analysis=analysis,
        digest=digest,
        plotly=html_env.packed_plotly(),
        data=_data(figures, (*data.values(), *tables.values())),
        metrics=_metrics(analysis),
        chapters=found,
        data_of=data,
        namespaces=namespaces,
        **tables,
        **_first_screens(info, analysis, digest),
        **_measures(info, analysis, digest),
        **_evidence(info, analysis, digest),
    )


def _first_screens(info: RunInfo, analysis: Analysis, digest: Digest) -> dict[str, object]:
    """Return what stands open: the answer, isolation beside cost, paths, and what it means."""
    return {
        "title": answer.title(info, analysis),
        "headline": answer.headline(info, analysis, digest),
        "badges": caveats.Badges(info, analysis, digest),
        "engine_line": sentences.engine_line(info),
        "host": conditions.host_text(info),
        "kernel": conditions.kernel_text(info),
        "engine_named": conditions.engine_named(info),
        "stamp": validity.stamp(info, analysis, digest),
        "budgets_told": budgets.outcome(info, analysis),
        "budget_results": budgets.ordered(analysis),
        "check": sentences.baseline_check(analysis),
        "charts": intervals.charts(info, analysis),
        "effect": effects.effect,
        "absence": sentences.absence,
        "drivers": driver_costs.driver_costs(info, analysis, digest),
        "way_title": answer.way_title,
        "strip": drawing.strip,
        "limits": conditions.limits(info, analysis, digest),
        "ending": stopping.ending(info, analysis),
        "extension": stopping.extension(info, analysis, ""),
    }


def _measures(info: RunInfo, analysis: Analysis, digest: Digest) -> dict[str, object]:
    return {
        "answers": answer.answers(info, analysis, digest),
        "forest": intervals.forest(analysis),
        "order": order.order_sentences(info.plan, analysis),
        "beside": matrix.measures(info, analysis),
        "others": matrix.others(info, analysis),
        "uncompared": sentences.uncompared(analysis),
        "copies": costs.copies(analysis),
        "loopbacks": costs.loopbacks(info, analysis),
        "aa": sentences.primary_nulls(analysis),
        "costs": costs.cost_rows(analysis, digest),
        "cost_notes": costs.cost_notes(info, digest),
        "literature": beside(info.plan, analysis),
    }


def _evidence(info: RunInfo, analysis: Analysis, digest: Digest) -> dict[str, object]:
    return {
        "drawing": drawing.drawing,
        "published": drawing.published,
        "views": [view for driver in labels.baseline_first(info) if (view := digest.view(driver))],
        "several_paths": len({cell.path for cell in info.plan.cells}) > 1,
        "meanings": sharing.MEANINGS,
        "sharing": sharing.WORDS,
        "facts": conditions.environment(info),
        "unread": conditions.unread(info),
        "probes": conditions.probe_lines(info),
        "doubts": validity.doubts(analysis),
        "problems": validity.problem_lines(info, digest),
    }


def _metrics(analysis: Analysis) -> tuple[tuple[str, str], ...]:
    """Return name and title of every metric that has a contrast, in the table's order."""
    seen = {contrast.metric for contrast in analysis.contrasts}
    return tuple((name, METRICS[name].title) for name in METRICS if name in seen)


def _data(figures: Iterable[Figure], tables: Iterable[long_tables.DataTable]) -> Markup:
    """Return what the page's script draws and unfolds."""
    content = html_env.packed(
        {
            "figures": {figure.id: figure.spec for figure in figures if figure.picture},
            "dark": {colour.light: colour.dark for colour in THEMED},
            "tables": long_tables.packed_rows(tables),
        }
    )
    return Markup(content)  # noqa: S704 - no letter of markup
