import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.synthetic import ALL, reported

from netbench.report.figures import FigureData, chapters
from netbench.report.figures.base import Figure
from netbench.report.figures.picture import Axis, Picture, Trace, Value
from netbench.report.figures.static import WIDTH, svg
from netbench.report.palette import driver_colours

HOSTILE = "<b>&amp;</b><script>alert(1)</script>"
MOST = 45_000
BLUE = "#0072b2"
X, Y = Axis("x"), Axis("y")


def figures() -> list[Figure]:
    run = reported()
    scene = FigureData(run.analysis, run.digest, driver_colours(ALL, "host"), run.info.plan)
    return [figure for chapter in chapters(scene) for figure in chapter.figures]


def texts(picture: str) -> list[str]:
    root = ET.fromstring(picture)  # noqa: S314 - our own drawing
    return ["".join(found.itertext()) for found in root.iter() if found.tag.endswith("text")]


def boxes(picture: str) -> list[tuple[float, float, float, float]]:
    """Return (left, top, width, height) of every bar."""
    found = re.findall(r"M([\d.]+) ([\d.]+)h([\d.]+)v([\d.]+)h-", picture)
    return [(float(a), float(b), float(c), float(d)) for a, b, c, d in found]


def points(
    x: Sequence[Value],
    y: Sequence[Value],
    name: str = "n",
    reach: tuple[float, float] | None = None,
) -> Trace:
    return Trace(name=name, colour=BLUE, x=x, y=y, reach=reach)


def drawn(trace: Trace, x: Axis = X, y: Axis = Y) -> str:
    return svg(Picture(x, y, (trace,)), "t")


def dots(picture: str) -> list[tuple[float, float]]:
    path = re.search(r'class="dot [^>]* d="([^"]*)"', picture)
    assert path is not None
    steps = re.findall(r"m(-?[\d.]+) ?(-?[\d.]+)h0", path[1])
    xs, ys = ([float(step[side]) for step in steps] for side in (0, 1))
    return list(zip(accumulate(xs), accumulate(ys), strict=True))


@pytest.mark.parametrize("figure", figures(), ids=lambda figure: figure.id)
def test_every_figure_is_drawn_small_and_inside_its_frame(figure: Figure) -> None:
    assert figure.picture is not None
    picture = svg(figure.picture, figure.title)

    root = ET.fromstring(picture)  # noqa: S314 - our own drawing
    height = float(root.attrib["viewBox"].split()[3])
    assert root.attrib["aria-label"] == figure.title
    assert len(picture) < MOST
    for label in root.iter("text"):
        if "x" in label.attrib:
            assert 0 <= float(label.attrib["x"]) <= WIDTH
            assert 0 <= float(label.attrib["y"]) <= height
    assert any(
        found.tag == "path" and "m" in found.attrib["d"].lower() for found in root.iter("path")
    )


def test_points_lie_where_a_logarithmic_axis_puts_them() -> None:
    x, y = Axis("x", log=True, limits=(0, 3)), Axis("y", limits=(0, 10))

    found = dots(drawn(points([1, 10, 1000], [0, 5, 10]), x, y))

    (left, low), (third, middle), (right, high) = found
    assert third - left == pytest.approx((right - left) / 3, abs=1.0)
    assert low - middle == pytest.approx((low - high) / 2, abs=1.0)
    assert low > high


def test_a_linear_axis_has_even_marks_of_its_own() -> None:
    shown = texts(drawn(points([0, 43], [0.2, 0.61]), y=Axis("y", to_zero=True)))

    assert shown == ["0", "0.2", "0.4", "0.6", "y", "0", "10", "20", "30", "40", "x"]


def test_points_without_a_place_on_the_axis_are_left_out() -> None:
    assert len(dots(drawn(points([0, 1, 10], [1, None, 2]), Axis("x", log=True)))) == 1


def test_a_gap_in_a_line_stays_a_gap() -> None:
    x, y = [0, 1, None, 2, 3], [1, 2, None, 1, 2]
    trace = Trace(name="n", mode="lines", colour=BLUE, x=x, y=y)

    line = re.search(r'class="d1 s"[^>]* d="([^"]*)"', drawn(trace))

    assert line is not None
    assert line[1].count("M") == line[1].count("l") == 2


def test_bars_are_stacked_and_what_is_below_zero_hangs_below_it() -> None:
    def bar(values: list[Value]) -> Trace:
        return Trace(name="n", mode="bars", colour=BLUE, x=values, y=[0, 1])

    parts = (bar([2, 1]), bar([3, -1]))

    first, other, on_top, below = boxes(svg(Picture(X, Axis("y", limits=(-0.5, 1.5)), parts), "t"))

    assert on_top[0] == pytest.approx(first[0] + first[2], abs=0.2)
    assert on_top[2] == pytest.approx(first[2] * 1.5, abs=0.3)
    assert below[0] + below[2] == pytest.approx(other[0], abs=0.2)
    assert below[2] == pytest.approx(other[2], abs=0.2)
    assert first[1] != other[1]


def test_an_error_bar_beyond_a_logarithmic_axis_ends_at_its_edge() -> None:
    picture = drawn(points([1], [1], reach=(5, 1)), Axis("x", log=True, limits=(-1, 1)))

    ends = re.search(r"M([\d.]+) [\d.]+H([\d.]+)", picture)

    assert ends is not None
    assert float(ends[1]) < dots(picture)[0][0] < float(ends[2])


@given(st.text(min_size=1, max_size=60))
def test_any_name_leaves_the_picture_well_formed(name: str) -> None:
    x = Axis(name, ticks=((1, name),))
    trace = replace(points([1], [1], name), legend=True)

    assert texts(svg(Picture(x, Axis(name), (trace,)), name))


def test_a_name_with_markup_is_shown_letter_by_letter() -> None:
    x = Axis("x", ticks=((1, "<b>&amp;</b>"),))

    assert "<b>&amp;</b>" in texts(svg(Picture(x, Y, (points([1], [1]),)), HOSTILE))


def test_a_figure_without_a_point_is_an_empty_frame() -> None:
    assert "viewBox" in drawn(points([], []))
