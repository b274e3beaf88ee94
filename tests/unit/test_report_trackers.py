"""Exports for services that track benchmarks, against what those say of their formats."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from jsonschema import Draft7Validator
from support.several import run, saved
from support.synthetic import reported
from support.tracker_schemas import BENCHER, CUSTOM

from netbench.cli import run_command_line
from netbench.record import METRICS
from netbench.report.benchmark_trackers import BETTER, TRACKED, bencher, custom, tracked

RUN = reported(seed=1, blocks=8)
BIGGER, SMALLER = BETTER
MEASURES: Final = 64
"""Characters of a measure's name that Bencher takes."""


def faults(document: object, schema: dict[str, Any]) -> list[str]:
    Draft7Validator.check_schema(schema)
    plain = json.loads(json.dumps(document, allow_nan=False))
    return [error.message for error in Draft7Validator(schema).iter_errors(plain)]


@pytest.mark.parametrize("table", TRACKED)
def test_the_documents_are_as_their_services_say(table: str) -> None:
    assert faults(bencher(RUN.info, RUN.analysis, table), BENCHER) == []
    for form in BETTER:
        assert faults(custom(RUN.info, RUN.analysis, table, form), CUSTOM) == []


def test_bencher_has_the_ratio_of_every_contrast_with_its_interval() -> None:
    document = bencher(RUN.info, RUN.analysis, "contrasts")
    contrast = next(
        one for one in RUN.analysis.contrasts if (one.driver, one.metric) == ("bridge", "rtt_p50")
    )
    place = f"bridge {contrast.probe} {contrast.placement} {contrast.path}"

    assert contrast.low is not None
    assert document[place]["rtt-p50-ratio"] == {
        "value": contrast.ratio,
        "lower_value": contrast.low,
        "upper_value": contrast.high,
    }
    assert sum(map(len, document.values())) == sum(
        one.ratio is not None for one in RUN.analysis.contrasts
    )


def test_an_interval_without_ends_has_none() -> None:
    first, *rest = RUN.analysis.contrasts
    unbounded = replace(first, low=None, high=None)
    nothing = replace(first, ratio=None)
    analysis = replace(RUN.analysis, contrasts=(unbounded, *rest))
    (one, *_) = tracked(RUN.info, analysis, "contrasts")
    none = replace(RUN.analysis, contrasts=(nothing,))

    assert bencher(RUN.info, analysis, "contrasts")[one.benchmark][one.measure] == {
        "value": first.ratio
    }
    form = next(f for f, better in BETTER.items() if better == METRICS[first.metric].better)
    assert "range" not in custom(RUN.info, analysis, "contrasts", form)[0]
    assert bencher(RUN.info, none, "contrasts") == {}


def test_every_metric_is_where_its_direction_is_good() -> None:
    """Written out: which of netbench's metrics are better when they are more."""
    more = {
        *("throughput", "ndr", "pdr01", "pdr05", "transactions", "connections"),
    }
    cells = tuple(
        replace(RUN.analysis.cells[0], metric=name, unit=metric.unit, median=1.0)
        for name, metric in METRICS.items()
    )
    analysis = replace(RUN.analysis, cells=cells)
    found = {
        form: {str(one["name"]).split()[-1] for one in custom(RUN.info, analysis, "cells", form)}
        for form in BETTER
    }
    names = {
        one.metric: one.measure
        for one in tracked(RUN.info, analysis, "cells")
        if METRICS[one.metric].compared
    }

    assert found[BIGGER] == {names[metric] for metric in more}
    assert found[SMALLER] == {measure for metric, measure in names.items() if metric not in more}
    assert {"loss-share", "retransmits"}.isdisjoint(found[BIGGER] | found[SMALLER])


def test_a_measure_has_one_unit_and_none_is_one_of_bencher_s_own() -> None:
    """Bencher's `latency` is in nanoseconds, and its `throughput` in operations."""
    cells = tuple(
        replace(RUN.analysis.cells[0], metric=name, unit=metric.unit, median=1.0)
        for name, metric in METRICS.items()
    )
    analysis = replace(RUN.analysis, cells=cells)
    absolute = {one.measure: one.unit for one in tracked(RUN.info, analysis, "cells")}
    relative = {one.measure for one in tracked(RUN.info, RUN.analysis, "contrasts")}

    assert len(absolute) == len(METRICS)
    assert not {"latency", "throughput"} & {*absolute, *relative}
    assert not relative & {*absolute}
    assert max(map(len, (*absolute, *relative))) <= MEASURES


def test_benchmarks_of_drivers_with_long_and_wild_names_stay_apart() -> None:
    ends = ("a", "b", "-bencher-ignore", "\x1b[31m\n")
    contrasts = tuple(
        replace(RUN.analysis.contrasts[0], driver="plugin:" + "x" * 2_000 + end) for end in ends
    )
    document = bencher(RUN.info, replace(RUN.analysis, contrasts=contrasts), "contrasts")

    assert len(document) == len(ends)
    assert faults(document, BENCHER) == []


@pytest.mark.parametrize("kind", ["bencher", *BETTER])
def test_the_command_writes_one_document(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    folder = saved(run(1), tmp_path)
    texts = []
    for more in ((), ("--table", "contrasts"), ("--table", "cells")):
        code = run_command_line(["export", str(folder), "--format", kind, *more])
        texts.append(capsys.readouterr().out)
        schema = BENCHER if kind == "bencher" else CUSTOM

        assert code == 0
        assert faults(json.loads(texts[-1]), schema) == []
    assert Counter(texts)[texts[0]] == 2


def test_a_table_that_a_format_does_not_have_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = saved(run(1), tmp_path)
    code = run_command_line(
        ["export", str(folder), "--format", "bencher", "--table", "trials"],
    )

    assert code == 2
    assert "--table: bencher has contrasts or cells, not trials" in capsys.readouterr().err


def test_a_list_that_the_action_refuses_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = saved(run(1, drivers=("host",)), tmp_path)
    code = run_command_line(["export", str(folder), "--format", BIGGER])
    out, err = capsys.readouterr()

    assert (code, json.loads(out)) == (0, [])
    assert f"no metric of the run is for {BIGGER}" in err
