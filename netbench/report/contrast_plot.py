"""The primary contrasts with their intervals as an SVG file that stands alone.

On white, in light colours, so that it is the same in a review, in a document and on paper.
"""

from typing import Final

from markupsafe import Markup

from netbench.analysis.cell_key import plain
from netbench.analysis.model import Analysis
from netbench.record import METRICS, RunInfo
from netbench.report.forest import Bar, Forest, ForestGroup, forest, label
from netbench.report.labels import SIGNS, capital
from netbench.report.palette import BAND, INK, PAPER, QUIET, driver_colours
from netbench.report.sentences import measure

WIDTH: Final = 860
LEFT: Final = 190
"""Pixels of the column of names."""
RIGHT: Final = 300
"""Pixels of the figures and the verdict."""
ROW: Final = 24
HEAD: Final = 34
AXIS: Final = 40
NAME: Final = 26
"""Letters of a name that fit into its column."""
_FONT: Final = "system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
_FRAME: Final = Markup(
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" width="{w}" height="{h}" '
    'role="img" aria-label="{label}" font-family="{font}" font-size="13" fill="{ink}">\n'
    '<rect width="{w}" height="{h}" fill="{paper}"/>\n{body}\n</svg>\n'
)
_TITLE: Final = Markup(
    '<text x="12" y="{y}" font-weight="600">{title}<tspan dx="8" font-weight="400" '
    'font-size="12" fill="{quiet}">{better}</tspan></text>'
)
_BAND: Final = Markup(
    '<rect x="{x}" y="{y}" width="{w}" height="{h}" fill="{band}" fill-opacity="0.26"/>'
)
_RULE: Final = Markup('<line x1="{x}" x2="{x}" y1="{top}" y2="{bottom}" stroke="{quiet}" {more}/>')
_BAR: Final = Markup(
    '<g stroke="{c}" fill="none" stroke-width="2"><title>{words}</title>'
    '<path d="M{low} {y} H{high}" stroke-width="3"{dash}/><path d="{ends}"/>'
    '<circle cx="{at}" cy="{y}" r="5.5" fill="{c}" stroke="{paper}" stroke-width="1.5"/></g>'
)
_DASHED: Final = Markup(' stroke-dasharray="3 5"')
_WORDS: Final = Markup(
    '<text x="12" y="{y}">{name}</text><text x="{at}" y="{y}">{figures}</text>'
    '<text x="{end}" y="{y}" text-anchor="end" font-weight="600">{verdict}</text>'
)
_TICK: Final = Markup(
    '<text x="{x}" y="{y}" text-anchor="middle" font-size="12" fill="{quiet}">{text}</text>'
)


def contrast_plot(info: RunInfo, analysis: Analysis) -> str:
    """Return the picture; without a contrast it says so."""
    baseline = plain(analysis.baseline)
    found = forest(analysis)
    if found is None:
        said = f"Nothing could be compared with {baseline}."
        body, bottom = [_TITLE.format(y=30, title=said, quiet=QUIET.light, better="")], 10
    else:
        body, bottom = _body(found, info, analysis)
        body += _axis(found, bottom, baseline)
    return _FRAME.format(
        w=WIDTH,
        h=bottom + AXIS,
        label=f"Ratio of each option to {baseline}, with its interval",
        font=_FONT,
        ink=INK.light,
        paper=PAPER.light,
        body=Markup("\n").join(body),
    )


def _body(found: Forest, info: RunInfo, analysis: Analysis) -> tuple[list[Markup], int]:
    """Return what is drawn for every group, one below the other, and where the last ends."""
    colours = driver_colours(info.plan.drivers, analysis.baseline)
    light = {driver: colour.light for driver, colour in colours.items()}
    parts: list[Markup] = []
    bottom = 8
    for group in found.groups:
        top = bottom + HEAD
        bottom = top + ROW * len(group.bars)
        parts += _scene(found, group, top, bottom)
        for number, bar in enumerate(group.bars):
            colour = light.get(bar.contrast.driver, INK.light)
            parts += _bar(bar, top + ROW * number + ROW // 2, colour)
    return parts, bottom


def _scene(found: Forest, group: ForestGroup, top: int, bottom: int) -> list[Markup]:
    """Return a group's title, noise floor, margins, and the line where nothing differs."""
    metric = METRICS.get(group.metric)
    title = capital(measure(group.key, group.metric))
    better = f"{metric.better} is better" if metric else ""
    parts = [_TITLE.format(y=top - 11, title=title, quiet=QUIET.light, better=better)]
    if group.floor:
        left, right = map(_x, group.floor)
        width = round(right - left, 2)
        parts.append(_BAND.format(x=left, y=top, w=width, h=bottom - top, band=BAND.light))
    dotted, solid = Markup('stroke-dasharray="2 4"'), Markup('stroke-width="1.5"')
    rules = [(_x(edge), dotted) for edge in found.margin] + [(_x(found.one), solid)]
    return parts + [
        _RULE.format(x=x, top=top, bottom=bottom, quiet=QUIET.light, more=more) for x, more in rules
    ]


def _bar(bar: Bar, y: int, colour: str) -> list[Markup]:
    contrast = bar.contrast
    whole = plain(contrast.driver)
    verdict = f"{SIGNS[contrast.verdict]} {contrast.verdict}"
    words = _WORDS.format(
        y=y + 4.5,
        name=whole if len(whole) <= NAME else f"{whole[: NAME - 1]}…",
        at=WIDTH - RIGHT + 14,
        figures=label(contrast),
        end=WIDTH - 12,
        verdict=verdict,
    )
    if bar.at is None:
        return [words]
    low, high = _x(bar.low), _x(bar.high)
    drawn = _BAR.format(
        c=colour,
        words=f"{whole}: {label(contrast)}, {verdict}",
        y=y,
        low=low,
        high=high,
        dash=_DASHED if bar.open_low and bar.open_high else "",
        ends=f"{_end(low, y, 1, goes_on=bar.open_low)} {_end(high, y, -1, goes_on=bar.open_high)}",
        at=_x(bar.at),
        paper=PAPER.light,
    )
    return [drawn, words]


def _end(x: float, y: int, inwards: int, *, goes_on: bool) -> str:
    """Return a stroke across the interval's end, or an arrow where it goes on beyond the axis."""
    if goes_on:
        return f"M{x + 7 * inwards} {y - 6} L{x} {y} L{x + 7 * inwards} {y + 6}"
    return f"M{x} {y - 6} V{y + 6}"


def _axis(found: Forest, bottom: int, baseline: str) -> list[Markup]:
    marks = [(_x(at), bottom + 16, text) for at, text in found.marks]
    words = f"ratio to {baseline}, logarithmic; grey: noise floor; dotted: margin"
    marks.append((LEFT + (WIDTH - LEFT - RIGHT) / 2, bottom + 33, words))
    return [_TICK.format(x=x, y=y, text=text, quiet=QUIET.light) for x, y, text in marks]


def _x(percent: float) -> float:
    """Return where a share of the axis lies, in pixels."""
    return round(LEFT + percent / 100 * (WIDTH - LEFT - RIGHT), 2)
