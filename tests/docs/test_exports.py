"""docs/exports.md and the notebook: what they show is what happens."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from support.documented import commands
from support.program import Program

from netbench.analysis.tables import CELLS, CONTRASTS, TRIALS
from netbench.api import Run
from netbench.documents.schemas import DOCUMENTS
from netbench.record import METRICS
from netbench.report.benchmark_trackers import BETTER
from netbench.report.openmetrics_text import openmetrics
from netbench.store import load

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "exports.md").read_text()
NOTEBOOK = ROOT / "docs" / "notebook.ipynb"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """netbench beside a copy of the sample."""
    folder = tmp_path_factory.mktemp("exports")
    sample = folder / "reports" / "sample"
    shutil.copytree(ROOT / "reports" / "sample", sample, ignore=shutil.ignore_patterns("raw"))
    for name in ("decision.md", "decision.svg"):
        (sample / name).unlink(missing_ok=True)
    return Program(folder)


@pytest.mark.parametrize("command", commands("exports"))
def test_every_command_does_what_it_says(program: Program, command: str) -> None:
    argv = command.removeprefix("netbench ").split()

    done = program(*argv)

    assert done.code in {0, 3}, done.stderr
    if "--output" in argv:
        assert (program.folder / argv[-1]).stat().st_size > 0
    if "--adr" in argv:
        assert (program.folder / "reports" / "sample" / "decision.md").exists()
    if "--picture" in argv:
        assert (program.folder / "reports" / "sample" / "answer.svg").exists()
    if "--html" in argv or argv[0] == "index":
        assert (program.folder / "reports" / "index.html").exists()


def test_the_example_runs(program: Program) -> None:
    code = re.search(r"<!-- python -->\n```py\n(.*?)```", PAGE, re.DOTALL)
    assert code
    done = subprocess.run(
        (sys.executable, "-W", "error", "-c", code[1]),
        cwd=program.folder,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    info = load(ROOT / "reports" / "sample").info
    assert done.stdout.startswith(f"{info.plan.baseline} {info.engine} {info.plan.seed}\n")


def test_the_columns_are_told_where_python_shows_them() -> None:
    for method, columns in (
        (Run.frame, TRIALS),
        (Run.contrasts, CONTRASTS),
        (Run.cells, CELLS),
    ):
        told = " ".join((method.__doc__ or "").partition("Columns: ")[2].split())
        names = re.findall(r"(\w+)(?: \([^)]*\))?[,.]", told)
        assert names[: len(columns)] == list(columns)


def test_schemas_and_families_are_told() -> None:
    run = load(ROOT / "reports" / "sample")
    judged = Run(run.path, run.info).analysis
    families = set(re.findall(r"^# TYPE (\w+)", openmetrics(run.info, judged), re.MULTILINE))
    told = set(re.findall(r"`(netbench_\w+)`", PAGE))

    assert {"record", "run-folder"} <= set(DOCUMENTS)
    assert all(f"`{name}`" in PAGE for name in ("record", "run-folder", "run", "report"))
    unnamed = {name for name in families if name not in told}
    assert all(re.fullmatch(r"netbench_[a-z0-9_]+", name) for name in unnamed)
    assert told - families <= {"netbench_budget"}


def test_the_notebook_gives_what_it_shows() -> None:
    kept = nbformat.read(NOTEBOOK, as_version=4)
    fresh = nbformat.read(NOTEBOOK, as_version=4)

    NotebookClient(
        fresh, kernel_name="python3", resources={"metadata": {"path": str(ROOT / "docs")}}
    ).execute()

    again = "execute it anew: jupyter execute --inplace docs/notebook.ipynb"
    assert outputs(fresh) == outputs(kept), again
    assert sum(bool(cell) for cell in outputs(kept)) >= 5


def outputs(notebook: nbformat.NotebookNode) -> list[list[str]]:
    """Return what each cell printed or showed, as text."""
    return [
        [
            output["text"] if output["output_type"] == "stream" else output["data"]["text/plain"]
            for output in cell.get("outputs", [])
        ]
        for cell in notebook.cells
    ]


def test_the_action_reads_each_form_from_a_file_of_its_own_under_a_name_of_its_own() -> None:
    example = PAGE.partition("<!-- action -->")[2].partition("<!-- /action -->")[0]
    written = dict(re.findall(r"--format (\w+) --output (\S+)", example))
    read = dict(re.findall(r"tool: (\w+)\n +output-file-path: (\S+)", example))
    names = re.findall(r" name: (.+)", example)

    assert read == written
    assert set(read) == set(BETTER)
    assert len(set(names)) == len(read)


def test_every_measure_has_a_boundary_by_its_direction() -> None:
    """The page names the beginnings of measures of which more is better."""
    sentence = re.search(
        r"Give one to measures that begin with (.*?), and an upper", PAGE, re.DOTALL
    )
    assert sentence
    beginnings = tuple(re.findall(r"`(\w+)`", sentence[1]))

    for name, metric in METRICS.items():
        assert name.startswith(beginnings) == (metric.better == "higher"), name
