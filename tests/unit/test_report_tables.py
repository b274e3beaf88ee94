import csv as reader
import io
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from support.synthetic import contrast_of, reported

from netbench.analysis.cell_key import plain
from netbench.report import csv

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
ANALYSIS = reported().analysis


def rows(text: str) -> list[dict[str, str]]:
    return list(reader.DictReader(io.StringIO(text, newline="")))


def test_every_contrast_and_every_cell_without_one_has_a_row() -> None:
    analysis = reported().analysis

    found = rows(csv(analysis))
    compared = {(c.driver, c.probe, c.placement, c.metric) for c in analysis.contrasts}
    cells = {(c.driver, c.probe, c.placement, c.metric) for c in analysis.cells if not c.replica}

    assert len(analysis.contrasts) + len(cells - compared) == len(found)
    assert cells | compared == {
        (r["driver"], r["probe"], r["placement"], r["metric"]) for r in found
    }


@given(st.text(min_size=1))
def test_no_text_can_become_a_formula(name: str) -> None:
    analysis = replace(ANALYSIS, contrasts=(contrast_of(driver=name),), cells=())

    written = rows(csv(analysis))[0]["driver"]

    assert not written.startswith(FORMULA)
    assert plain(name) in {written, written.removeprefix("'")}


def test_a_formula_as_a_driver_is_text() -> None:
    analysis = replace(ANALYSIS, contrasts=(contrast_of(driver="=cmd()|'/C calc'!A0"),), cells=())

    assert rows(csv(analysis))[0]["driver"] == "'=cmd()|'/C calc'!A0"


def test_numbers_keep_their_sign_and_absent_ones_are_empty() -> None:
    contrast = contrast_of(difference=-4.9e9, low=None, high=None)
    analysis = replace(ANALYSIS, contrasts=(contrast,), cells=())

    row = rows(csv(analysis))[0]

    assert float(row["difference"]) == -4.9e9
    assert [row["low"], row["high"], row["trials"]] == ["", "", ""]
