"""A run folder full of attacks, through everything that is made from one."""

import csv
import io
import json
import re
import shutil
from collections import Counter
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree as ET

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from support.hostile import ATTACKS, MARK, uncontrolled, with_hostile_names, write_hostile_run
from support.synthetic import reported

import netbench
from netbench import report
from netbench.analysis import Analysis, analyse
from netbench.cli import run_command_line
from netbench.cli.commands.lists import runs
from netbench.cli.commands.report import show_run
from netbench.cli.output import print_json, print_rich
from netbench.record import RunInfo
from netbench.report import Digest
from netbench.report.openmetrics_text import openmetrics
from netbench.store import load
from netbench.workflow.reporting import report_run

FORMULA = tuple("=+-@\t\r")


@dataclass(frozen=True)
class Attacked:
    """A run folder with what reports are made of."""

    folder: Path
    names: dict[str, str]
    info: RunInfo
    analysis: Analysis
    digest: Digest


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Attacked:
    folder = write_hostile_run(tmp_path_factory.mktemp("hostile"))
    names = with_hostile_names(folder)
    run = load(folder)
    judged = analyse(run.info, run.records())
    assert run.notes == []
    return Attacked(folder, names, run.info, judged, report.digest(judged, run.records()))


class Elements(HTMLParser):
    """What a browser would make of a page's text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: set[str] = set()
        self.links: set[str] = set()
        self.scripts: list[tuple[str | None, str]] = []
        self.comments: list[str] = []
        self._script = False
        self._kind: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes |= {name for name, _ in attrs}
        self.links |= {value or "" for name, value in attrs if name in {"src", "href"}}
        self._script, self._kind = tag == "script", dict(attrs).get("type")

    def handle_data(self, data: str) -> None:
        if self._script:
            self.scripts.append((self._kind, data))
            self._script = False

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)


def benign_page() -> Elements:
    run = reported(blocks=6)
    return Elements(report.html(run.info, run.analysis, run.digest))


def test_a_page_of_attacks_has_the_elements_of_any_other(attacked: Attacked) -> None:
    text = report.html(attacked.info, attacked.analysis, attacked.digest)
    found, benign = Elements(text), benign_page()

    assert MARK in text
    assert found.tags.keys() <= benign.tags.keys()
    assert found.tags["script"] == benign.tags["script"]
    assert found.tags["img"] == benign.tags["img"]
    assert found.attributes <= benign.attributes
    assert not [name for name in found.attributes if name.startswith("on")]
    assert not [link for link in found.links if not link.startswith(("#", "data:"))]
    assert found.comments == []


def test_data_for_the_pages_script_holds_no_letter_of_markup(attacked: Attacked) -> None:
    text = report.html(attacked.info, attacked.analysis, attacked.digest)

    packed = [data for kind, data in Elements(text).scripts if kind == "text/plain"]
    assert len(packed) >= 2
    assert all(re.fullmatch(r"[!-~]+", data) and not set("<>&") & set(data) for data in packed)


def test_a_summary_of_attacks_holds_no_markup_of_theirs(attacked: Attacked) -> None:
    text = report.markdown(attacked.info, attacked.analysis, attacked.digest)
    tokens = list(_flat(MarkdownIt("commonmark").enable("table").parse(text)))

    assert MARK in text
    assert uncontrolled(text) == ""
    html = {token.content for token in tokens if token.type.startswith("html")}
    assert html <= {"<br>"}
    kinds = Counter(token.type for token in tokens)
    assert not kinds.keys() & {"link_open", "image", "fence", "code_block"}
    assert (kinds["heading_open"], kinds["table_open"]) == (2, 1)
    code = [token.content for token in tokens if token.type == "code_inline"]
    assert len(code) == 1  # the command that was run
    assert "netbench" in code[0]


def _flat(tokens: list[Token]) -> list[Token]:
    return [one for token in tokens for one in (token, *(_flat(token.children or [])))]


def test_no_field_of_the_table_is_a_formula_and_no_row_is_split(attacked: Attacked) -> None:
    text = report.csv(attacked.analysis)
    rows = list(csv.reader(io.StringIO(text)))
    benign = list(csv.reader(io.StringIO(report.csv(reported(blocks=6).analysis))))

    assert MARK in text
    assert len(rows) == len(benign)
    assert {len(row) for row in rows} == {len(rows[0])}
    texts = [field for row in rows[1:] for field in row if not _is_number(field)]
    assert not [field for field in texts if field.startswith(FORMULA)]
    assert uncontrolled(text) == ""


def test_a_decision_record_of_attacks_holds_no_markup_of_theirs(attacked: Attacked) -> None:
    files = report.decision(attacked.info, attacked.analysis, attacked.digest)
    text = files[report.DECISION]
    tokens = list(_flat(MarkdownIt("commonmark").enable("table").parse(text)))

    assert MARK in text
    assert uncontrolled(text) == ""
    html = [token.content for token in tokens if token.type.startswith("html")]
    assert html
    assert all(re.fullmatch(r"<!-- For the author: [^<>]* -->\s*", one) for one in html)
    kinds = Counter(token.type for token in tokens)
    links = {token.attrs["href"] for token in tokens if token.type == "link_open"}
    files_beside = {"report.html", "records.jsonl", "run.json"}
    assert links == {*files_beside, "https://adr.github.io/madr/"}
    assert (kinds["image"], kinds["fence"], kinds["code_block"]) == (1, 0, 0)


def test_a_figure_of_attacks_has_the_elements_of_any_other(attacked: Attacked) -> None:
    run = reported(blocks=6)
    text = report.decision(attacked.info, attacked.analysis, attacked.digest)["decision.svg"]
    benign = report.decision(run.info, run.analysis, run.digest)["decision.svg"]
    found, other = (list(ET.fromstring(one).iter()) for one in (text, benign))  # noqa: S314

    assert MARK in text
    assert {element.tag for element in found} == {element.tag for element in other}
    there = {name for e in other for name in e.attrib} | {"fill-opacity"}  # of a noise floor
    assert {name for e in found for name in e.attrib} <= there


def test_an_index_of_attacks_links_to_reports_alone(
    attacked: Attacked, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = '"><script>alert(1)<!-- %2e%2e &amp; \x1b[31m'.replace("/", "")
    shutil.copytree(attacked.folder, tmp_path / name)
    (tmp_path / name / "report.html").touch()
    runs(tmp_path, html=True)

    assert uncontrolled(capsys.readouterr().out) == ""
    text = (tmp_path / "index.html").read_text()
    found = Elements(text)
    assert MARK in text
    assert found.tags.keys() & {"script", "img", "iframe"} == set()
    assert found.links == {"data:,", "#main", f"{quote(name)}/report.html"}
    assert found.comments == []


def test_no_field_of_an_export_is_a_formula(attacked: Attacked) -> None:
    run = netbench.load(attacked.folder)
    for frame in (run.frame(), run.contrasts(), run.cells()):
        text = report.csv_of(frame)
        rows = list(csv.reader(io.StringIO(text)))

        assert len(rows) == len(frame) + 1
        texts = [field for row in rows[1:] for field in row if not _is_number(field)]
        assert not [field for field in texts if field.startswith(FORMULA)]
        assert uncontrolled(text) == ""


def test_openmetrics_of_attacks_is_openmetrics(attacked: Attacked) -> None:
    text = openmetrics(attacked.info, attacked.analysis)
    found = list(text_string_to_metric_families(text))

    assert MARK in text
    assert uncontrolled(text) == ""
    labels = {label for family in found for s in family.samples for label in s.labels}
    assert not labels - {
        *("driver", "path", "probe", "placement", "statistic", "outcome", "baseline", "metric"),
        *("state", "budget", "run", "created", "version", "engine", "kernel", "suite", "seed"),
        *("status", "kind", "netbench_contrast_verdict", "netbench_budget"),
    }


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("colour", ["", "1"])
def test_a_terminal_obeys_none_of_it(
    attacked: Attacked,
    colour: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FORCE_COLOR", colour)

    show_run(attacked.folder, report_run(attacked.folder), as_json=False)
    runs(attacked.folder.parent)

    out, err = capsys.readouterr()
    assert MARK in out
    assert ("\x1b[" in out) == bool(colour)
    assert uncontrolled(out) == uncontrolled(err) == ""


def test_documents_hold_every_name_letter_by_letter(
    attacked: Attacked, capsys: pytest.CaptureFixture[str]
) -> None:
    code = show_run(attacked.folder, report_run(attacked.folder), as_json=True)
    shown = capsys.readouterr().out
    document = json.loads(shown)

    assert document["exit"] == code
    drivers = {cell["driver"] for cell in document["cells"]}
    assert drivers == {"host", *(attacked.names[name] for name in ("bridge", "bridge:user"))} | {
        attacked.names[name] for name in ("container", "none")
    }
    assert uncontrolled(shown) == ""

    runs(attacked.folder.parent, as_json=True)
    assert json.loads(capsys.readouterr().out)["runs"][0]["drivers"]


def test_a_comparison_of_attacks_runs_none_and_obeys_none(
    attacked: Attacked,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = write_hostile_run(tmp_path / "other", blocks=7)
    with_hostile_names(other)
    page = tmp_path / "compare.html"
    folders = [str(attacked.folder), str(other)]
    monkeypatch.setenv("FORCE_COLOR", "1")
    for more in ((), ("--json",)):
        run_command_line(["compare", *folders, "--output", str(page), *more])
        out, err = capsys.readouterr()
        assert MARK in out
        assert uncontrolled(out) == uncontrolled(err) == ""

    found, benign = Elements(page.read_text()), benign_page()
    assert MARK in page.read_text()
    assert not [name for name in found.attributes if name.startswith("on")]
    assert found.tags.keys() <= benign.tags.keys() | {"th", "caption", "rect", "circle", "path"}
    assert found.tags["script"] <= benign.tags["script"]
    assert not [link for link in found.links if not link.startswith(("#", "data:"))]
    assert found.comments == []


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("colour", ["", "1"])
def test_whatever_is_printed_is_printable(
    attack: str,
    colour: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from rich.tree import Tree  # noqa: PLC0415 -- as the program does

    monkeypatch.setenv("FORCE_COLOR", colour)
    tree = Tree("links")
    tree.add(attack)

    print_rich(tree)
    print_rich(attack)
    print_json({"name": attack, attack: 1})

    assert uncontrolled(capsys.readouterr().out) == ""
