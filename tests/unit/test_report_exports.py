"""What other programs get: frames, CSV, Parquet, OpenMetrics, and a run from Python."""

import csv
import io
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from support.synthetic import Run, contrast_of, reported, run_of

import netbench
from netbench import report
from netbench.analysis import Verdict
from netbench.analysis.tables import CELLS, CONTRASTS, TRIALS, trials
from netbench.errors import RunFolderError
from netbench.record import Failure, Record, Skip
from netbench.report.openmetrics_text import openmetrics
from netbench.store import RunFolder

HOSTILE = '=cmd()|"/C calc"!A0 <img src=x>\x1b[31m\n# HELP \\ {}'


def stored(parent: Path, run: Run) -> Path:
    folder = RunFolder.create(parent, run.info.plan.drivers, run.info)
    for record in run.records:
        folder.append(record)
    return folder.path


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> "netbench.api.Run":
    return netbench.load(stored(tmp_path_factory.mktemp("runs"), run_of(blocks=8)))


def renamed(records: Iterable[Record], old: str, new: str) -> list[Record]:
    return [
        replace(r, cell=replace(r.cell, driver=new)) if r.cell.driver == old else r for r in records
    ]


def families(text: str) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(text)}


def test_the_frame_has_every_number_of_every_trial(loaded: "netbench.api.Run") -> None:
    frame = loaded.frame()
    records = list(loaded.records())

    assert list(frame.columns) == list(TRIALS)
    assert set(frame["record"]) == {record.number for record in records}
    numbers = {
        (record.number, m.metric): m.value
        for record in records
        if record.outcome.kind == "sample"
        for m in record.outcome.measurements
    }
    given = frame.dropna(subset=["metric"])
    assert (
        dict(zip(zip(given["record"], given["metric"], strict=True), given["value"], strict=True))
        == numbers
    )
    silent = frame[frame["metric"].isna()]
    assert set(silent["outcome"]) == {"failure", "skip"}
    assert silent["reason"].notna().all()
    assert silent["value"].isna().all()
    assert str(frame["started"].dtype) == "datetime64[ns, UTC]"


def test_contrasts_and_cells_are_those_of_the_analysis(loaded: "netbench.api.Run") -> None:
    contrasts, cells = loaded.contrasts(), loaded.cells()

    assert (list(contrasts.columns), list(cells.columns)) == (list(CONTRASTS), list(CELLS))
    assert list(contrasts["ratio"].dropna()) == [
        c.ratio for c in loaded.analysis.contrasts if c.ratio is not None
    ]
    assert set(contrasts["verdict"]) <= set(Verdict)
    assert len(cells) == len(loaded.analysis.cells)
    assert loaded.notes == ()
    assert (loaded.baseline, loaded.drivers) == ("host", loaded.info.plan.drivers)


def test_frames_of_nothing_have_the_same_columns(tmp_path: Path) -> None:
    run = run_of(blocks=1)
    lost = [
        replace(record, outcome=Failure("engine", "the engine went away", ""))
        for record in run.records
    ]
    for records in ((), lost):
        made = netbench.load(stored(tmp_path, Run(run.info, tuple(records))))

        for frame, columns in (
            (made.frame(), TRIALS),
            (made.contrasts(), CONTRASTS),
            (made.cells(), CELLS),
        ):
            assert {name: str(kind) for name, kind in frame.dtypes.items()} == columns
        assert len(made.frame()) == len(records)


def test_a_damaged_line_is_told_and_the_rest_is_there(tmp_path: Path) -> None:
    run = run_of(blocks=2)
    path = stored(tmp_path, run)
    with (path / "records.jsonl").open("ab") as file:
        file.write(b'{"number": 1')

    made = netbench.load(path)

    assert "cut short" in made.notes[0]
    assert made.frame()["record"].nunique() == len(run.records)


def test_what_is_no_run_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"is empty"):
        netbench.load(tmp_path)


def test_importing_netbench_imports_nothing_heavy() -> None:
    code = (
        "import sys, netbench; heavy = {'pandas', 'pydantic', 'scipy', 'plotly', 'typer', 'json'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


def test_csv_holds_the_frame_and_no_formula(loaded: "netbench.api.Run") -> None:
    info = loaded.info
    frame = trials(info, renamed(loaded.records(), "bridge", HOSTILE))

    rows = list(csv.DictReader(io.StringIO(report.csv_of(frame))))

    assert len(rows) == len(frame)
    odd = {row["driver"] for row in rows} - set(info.plan.drivers)
    assert len(odd) == 1
    (written,) = odd
    assert written.startswith("'=cmd()")
    assert "\x1b" not in written
    assert "\n" not in written
    assert rows[0]["started"].endswith("Z")
    values = [float(row["value"]) for row in rows if row["value"]]
    assert values == list(frame["value"].dropna())


def test_parquet_reads_back_equal(loaded: "netbench.api.Run") -> None:
    for frame in (loaded.frame(), loaded.contrasts(), loaded.cells()):
        back = pd.read_parquet(io.BytesIO(report.parquet_of(frame)), engine="pyarrow")

        assert list(back.columns) == list(frame.columns)
        assert back.isna().equals(frame.isna())
        for name in frame.columns:
            assert back[name].dropna().tolist() == frame[name].dropna().tolist()


def test_openmetrics_has_the_medians_and_the_contrasts() -> None:
    run = reported()

    found = families(openmetrics(run.info, run.analysis))

    family = found["netbench_throughput_bits_per_second"]
    assert (family.type, family.unit) == ("gauge", "bits_per_second")
    cell = next(c for c in run.analysis.cells if c.driver == "bridge" and c.metric == "throughput")
    medians = {
        s.labels["driver"]: s.value for s in family.samples if s.labels["statistic"] == "median"
    }
    assert medians["bridge"] == cell.median
    assert "none" not in medians
    verdicts = found["netbench_contrast_verdict"]
    assert verdicts.type == "stateset"
    assert sum(s.value for s in verdicts.samples) == len(run.analysis.contrasts)
    ratios = found["netbench_contrast_ratio"].samples
    bounded = [s for s in ratios if s.labels["statistic"] == "low"]
    assert len(bounded) == sum(c.low is not None for c in run.analysis.contrasts)
    (told,) = found["netbench_run"].samples
    assert (told.labels["engine"], told.labels["seed"]) == ("docker", "1")
    failures = {
        (s.labels["driver"], s.labels["probe"]): s.value
        for s in found["netbench_trials"].samples
        if s.labels["outcome"] == "failure"
    }
    assert failures["bridge:user", "tcp-throughput"] == 1
    assert failures["bridge", "tcp-throughput"] == 0


def test_openmetrics_of_a_run_without_a_number_is_valid() -> None:
    run = reported()
    analysis = replace(
        run.analysis,
        contrasts=(),
        cells=tuple(replace(c, median=None, p25=None, p75=None) for c in run.analysis.cells),
    )

    text = openmetrics(run.info, analysis)

    of_run = {"netbench_run", "netbench_missing_records", "netbench_warnings"}
    assert set(families(text)) == {*of_run, "netbench_trials"}
    assert text.endswith("# EOF\n")


@given(st.text(min_size=1))
def test_no_name_breaks_openmetrics(name: str) -> None:
    run = reported()
    analysis = replace(run.analysis, contrasts=(contrast_of(driver=name),), cells=())

    found = families(openmetrics(run.info, analysis))

    (blocks,) = found["netbench_contrast_blocks"].samples
    assert blocks.labels["driver"] == "".join(c if c.isprintable() else " " for c in name).strip()


def test_a_skip_by_design_is_told_in_the_frame(loaded: "netbench.api.Run") -> None:
    skips = [r for r in loaded.records() if isinstance(r.outcome, Skip)]
    frame = loaded.frame()

    assert skips
    assert set(frame.loc[frame["outcome"] == "skip", "reason"]) == {r.outcome.reason for r in skips}
