"""report.html: one file with everything in it, under a policy that forbids the network."""

import base64
import gzip
import hashlib
import json
from functools import cache
from importlib.resources import files
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from plotly.offline import get_plotlyjs

from netbench import units
from netbench.analysis.model import Analysis
from netbench.record import RunInfo
from netbench.report import budgets, literature, matrix, sections, words
from netbench.report.ceiling import USED_UP, ceiling_sentences
from netbench.report.console import doubts
from netbench.report.costs import cost_notes, cost_rows
from netbench.report.drawing import drawing
from netbench.report.figures import Chapter, Scene, chapters
from netbench.report.forest import forest, label
from netbench.report.limits import limits
from netbench.report.palette import BASELINE, DRIVERS, THEMED, Colour, driver_colours
from netbench.report.sentences import (
    driver_sentence,
    engine_line,
    fact,
    lead,
    uncompared,
)
from netbench.report.sharing import MEANINGS, WORDS
from netbench.report.stops import ending, stop_sentence, stop_words
from netbench.report.views import Digest

_FOLDER: Final = "templates"


def page(info: RunInfo, analysis: Analysis, digest: Digest) -> str:
    """Return the whole page."""
    colours = driver_colours(info.plan.drivers, analysis.baseline)
    found = chapters(Scene(analysis, digest, colours))
    script = _asset("page.js")
    answers = sections.answers(info, analysis, digest)
    template = _environment().get_template("page.html.j2")
    return template.render(
        info=info,
        analysis=analysis,
        digest=digest,
        classes=_classes(colours),
        csp=_policy(script),
        css=_asset("page.css"),
        script=script,
        plotly=packed_plotly(),
        figures=_json(found),
        chapters=found,
        engine_line=engine_line(info),
        lead=lead(analysis, digest),
        ending=ending(info, analysis),
        answers=answers,
        sentences=[(a.driver, driver_sentence(analysis, digest, a.driver)) for a in answers],
        doubts=doubts(analysis),
        budgets_told=budgets.told(info, analysis),
        budget_results=budgets.ordered(analysis),
        ceilings=ceiling_sentences(analysis),
        forest=forest(analysis),
        paths=sections.paths(info, digest),
        views=digest.drivers,
        several_paths=len({cell.path for cell in info.plan.cells}) > 1,
        namespaces=sections.namespaces(info, digest),
        uncompared=uncompared(analysis),
        beside=matrix.measures(info, analysis),
        others=matrix.others(info, analysis),
        costs=cost_rows(analysis, digest),
        cost_notes=cost_notes(info, digest),
        literature=literature.lines(info, analysis),
        aa=sections.aa_rows(analysis),
        probes=sections.probe_lines(info),
        commands=sections.command_groups(digest),
        facts=sections.environment(info),
        kernel=sections.fact_text(fact(info, "kernel.release")),
        host=sections.host_text(info),
        engine_named=sections.engine_named(info),
        limits=limits(info, analysis, digest),
    )


def _environment() -> Environment:
    """Return the environment of the template: everything is escaped unless it says otherwise."""
    environment = Environment(
        loader=PackageLoader("netbench.report", _FOLDER),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"quantity": units.quantity, "plain": words.plain}
    environment.globals |= {
        "palette": (BASELINE, *DRIVERS),
        "bar_label": label,
        "budget": budgets,
        "measure_name": sections.measure_name,
        "drawing": drawing,
        "meanings": MEANINGS,
        "sharing": WORDS,
        "stop_words": stop_words,
        "stop_sentence": stop_sentence,
        "key_of": words.key_of,
        "signs": words.SIGNS,
        "used_up": USED_UP,
        "units": units,
        "interval": words.interval,
    }
    return environment


@cache
def packed_plotly() -> str:
    """Return plotly.min.js, gzipped, in base64; the same text every time."""
    packed = gzip.compress(get_plotlyjs().encode(), compresslevel=9, mtime=0)
    return base64.b64encode(packed).decode("ascii")


def _asset(name: str) -> str:
    return files("netbench.report").joinpath(_FOLDER, name).read_text(encoding="utf-8")


def _policy(script: str) -> str:
    """Return a policy that runs this one script and what it unpacks, and loads nothing."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    return (
        f"default-src 'none'; script-src 'sha256-{digest}' blob:; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


def _json(found: tuple[Chapter, ...]) -> str:
    """Return the figures for the script, so that no text in them can end the element."""
    content = {
        "figures": {figure.id: figure.spec for chapter in found for figure in chapter.figures},
        "dark": {colour.light: colour.dark for colour in THEMED},
    }
    text = json.dumps(content, allow_nan=False, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _classes(colours: dict[str, Colour]) -> dict[str, str]:
    """Return the style class of each driver's colour, as the page's style sheet numbers them."""
    palette = (BASELINE, *DRIVERS)
    return {driver: f"d{palette.index(colour)}" for driver, colour in colours.items()}
