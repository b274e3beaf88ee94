import re
from itertools import accumulate
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.synthetic import ALL, reported

from netbench.report.document import Json
from netbench.report.figures import FigureData, chapters
from netbench.report.figures.base import Figure, Spec, axis, layout, named
from netbench.report.figures.static import WIDTH, document, svg
from netbench.report.palette import driver_colours

HOSTILE = "<b>&amp;</b><script>alert(1)</script>"
MOST = 45_000


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


def spec_of(trace: Spec, x: Spec | None = None, y: Spec | None = None, **more: Json) -> Spec:
    return {"data": [trace], "layout": layout(x or axis("x"), y or axis("y"), **more)}


def dots(picture: str) -> list[tuple[float, float]]:
    path = re.search(r'class="dot [^>]* d="([^"]*)"', picture)
    assert path is not None
    steps = re.findall(r"m(-?[\d.]+) ?(-?[\d.]+)h0", path[1])
    xs, ys = ([float(step[side]) for step in steps] for side in (0, 1))
    return list(zip(accumulate(xs), accumulate(ys), strict=True))


@pytest.mark.parametrize("figure", figures(), ids=lambda figure: figure.id)
def test_every_figure_is_drawn_small_and_inside_its_frame(figure: Figure) -> None:
    picture = svg(figure.spec, figure.title)

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
    trace: Spec = {"type": "scatter", "mode": "markers", "x": [1, 10, 1000], "y": [0, 5, 10]}
    x = axis("x", type="log", range=[0, 3])

    points = dots(svg(spec_of(trace, x, axis("y", range=[0, 10])), "t"))

    (left, low), (third, middle), (right, high) = points
    assert third - left == pytest.approx((right - left) / 3, abs=1.0)
    assert low - middle == pytest.approx((low - high) / 2, abs=1.0)
    assert low > high


def test_a_linear_axis_has_even_marks_of_its_own() -> None:
    trace: Spec = {"type": "scatter", "mode": "markers", "x": [0, 43], "y": [0.2, 0.61]}

    shown = texts(svg(spec_of(trace, y=axis("y", rangemode="tozero")), "t"))

    assert shown == ["0", "0.2", "0.4", "0.6", "y", "0", "10", "20", "30", "40", "x"]


def test_points_without_a_place_on_the_axis_are_left_out() -> None:
    trace: Spec = {"type": "scatter", "mode": "markers", "x": [0, 1, 10], "y": [1, None, 2]}

    assert len(dots(svg(spec_of(trace, axis("x", type="log")), "t"))) == 1


def test_a_gap_in_a_line_stays_a_gap() -> None:
    trace: Spec = {
        "type": "scatter",
        "mode": "lines",
        "x": [0, 1, None, 2, 3],
        "y": [1, 2, None, 1, 2],
        "line": {"color": "#0072b2", "width": 2},
    }

    line = re.search(r'class="d1 s"[^>]* d="([^"]*)"', svg(spec_of(trace), "t"))

    assert line is not None
    assert line[1].count("M") == line[1].count("l") == 2


def test_bars_are_stacked_and_what_is_below_zero_hangs_below_it() -> None:
    def bar(values: list[Json]) -> Spec:
        return {"type": "bar", "orientation": "h", "x": values, "y": ["a", "b"], "name": "n"}

    parts: list[Json] = [bar([2, 1]), bar([3, -1])]
    spec: Spec = {"data": parts, "layout": layout(axis("x"), axis("y"), barmode="relative")}

    first, other, on_top, below = boxes(svg(spec, "t"))

    assert on_top[0] == pytest.approx(first[0] + first[2], abs=0.2)
    assert on_top[2] == pytest.approx(first[2] * 1.5, abs=0.3)
    assert below[0] + below[2] == pytest.approx(other[0], abs=0.2)
    assert below[2] == pytest.approx(other[2], abs=0.2)
    assert first[1] != other[1]


def test_an_error_bar_beyond_a_logarithmic_axis_ends_at_its_edge() -> None:
    trace: Spec = {
        "type": "scatter",
        "mode": "markers",
        "x": [1],
        "y": [1],
        "error_x": {"type": "data", "symmetric": False, "array": [1], "arrayminus": [5]},
    }
    picture = svg(spec_of(trace, axis("x", type="log", range=[-1, 1])), "t")

    ends = re.search(r"M([\d.]+) [\d.]+H([\d.]+)", picture)

    assert ends is not None
    assert float(ends[1]) < dots(picture)[0][0] < float(ends[2])


@given(st.text(min_size=1, max_size=60))
def test_any_name_leaves_the_picture_well_formed(name: str) -> None:
    trace: Spec = {"type": "bar", "x": [named(name)], "y": [1], "name": named(name)}

    assert texts(svg(spec_of(trace, axis(named(name))), name))
    assert texts(document(spec_of(trace), name))


def test_a_name_with_markup_is_shown_letter_by_letter() -> None:
    trace: Spec = {"type": "bar", "x": [named("<b>&amp;</b>")], "y": [1]}

    assert "<b>&amp;</b>" in texts(svg(spec_of(trace), HOSTILE))


def test_a_file_has_its_title_its_paper_and_dark_colours() -> None:
    figure = figures()[0]

    picture = document(figure.spec, figure.title)

    assert " ".join(texts(picture)).startswith(figure.title)
    assert "prefers-color-scheme:dark" in picture
    assert "<script" not in picture


def test_a_figure_without_a_point_is_an_empty_frame() -> None:
    trace: Spec = {"type": "scatter", "mode": "markers", "x": [], "y": []}

    assert "viewBox" in svg(spec_of(trace), "t")
