import base64
import gzip
import hashlib
import json
import re
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from typing import Any

import plotly.graph_objects as go
import pytest
from support.samples import differing, sample
from support.synthetic import Reported, reported, run_of

from netbench.analysis import analyse
from netbench.record import Failure, Record
from netbench.report import digest, html
from netbench.report.long_tables import FIRST

HOSTILE = "<script>alert(1)</script>"
VOID = {"meta", "link", "input", "br", "img", "wbr"}


class Page(HTMLParser):
    """Collects what a test asks for, and every tag that is not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.policy = ""
        self.ids: list[str] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.crossed: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.links += [found[name] or "" for name in ("src", "href") if name in found]
        self.ids += [found["id"] or ""] if "id" in found else []
        if found.get("http-equiv") == "Content-Security-Policy":
            self.policy = found["content"] or ""
        if tag == "script":
            self.scripts.append((found, ""))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del tag, attrs

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.crossed.append(tag)

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            attributes, text = self.scripts[-1]
            self.scripts[-1] = (attributes, text + data)
        else:
            self.texts.append(data)


@cache
def text_of(run: Reported) -> str:
    return html(run.info, run.analysis, run.digest)


@cache
def page_of(run: Reported) -> Page:
    return Page(text_of(run))


def data_of(page: Page) -> Any:
    """Return what the page's script unfolds."""
    packed = next(text for attributes, text in page.scripts if attributes.get("id") == "data")
    letters = packed.translate(str.maketrans(",.:", "<>&"))
    return json.loads(gzip.decompress(base64.b85decode(letters)))


def hostile_run() -> Reported:
    run = reported(blocks=3, drivers=("host", HOSTILE))
    info = replace(
        run.info,
        engine_why=HOSTILE,
        command=("netbench", HOSTILE),
        facts=(("host.cpu_model", HOSTILE), (HOSTILE, HOSTILE)),
        tools=((HOSTILE, HOSTILE),),
        notes=(HOSTILE,),
    )
    return replace(run, info=info)


def test_the_page_is_well_formed_and_ids_are_unique() -> None:
    page = page_of(reported())

    assert page.crossed == []
    assert page.open == []
    assert sorted(set(page.ids)) == sorted(page.ids)


def test_nothing_is_loaded_from_anywhere() -> None:
    page = page_of(reported())

    assert [link for link in page.links if not link.startswith(("#", "data:"))] == []
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)


def test_the_policy_names_the_one_script_that_may_run() -> None:
    page = page_of(reported())
    runnable = [text for attributes, text in page.scripts if "type" not in attributes]

    digests = [base64.b64encode(hashlib.sha256(t.encode()).digest()).decode() for t in runnable]

    assert len(runnable) == 1
    assert f"script-src 'sha256-{digests[0]}' blob:;" in page.policy
    assert page.policy.startswith("default-src 'none';")


def test_the_page_is_small() -> None:
    assert len(text_of(reported()).encode()) < 2_500_000


def test_the_same_run_gives_the_same_page() -> None:
    run = reported()

    again = digest(run.analysis, run.records)
    assert html(run.info, run.analysis, again) == html(run.info, run.analysis, run.digest)


def test_names_from_outside_never_become_markup() -> None:
    run = hostile_run()
    page = page_of(run)

    assert len(page.scripts) == 3
    assert page.crossed == []
    assert HOSTILE.lower() not in text_of(run).lower()
    assert HOSTILE in "".join(page.texts)


def test_tool_output_never_becomes_markup() -> None:
    run = reported()
    bad = Failure("output", HOSTILE, HOSTILE + "\x1b[2J" + "x" * 9000)
    records: list[Record] = [replace(record, outcome=bad) for record in run.records[:40]]

    text = html(run.info, run.analysis, digest(run.analysis, records))

    assert HOSTILE not in text
    assert "\x1b" not in text
    assert len(Page(text).scripts) == 3


def test_every_figure_is_valid_for_plotly_and_has_its_table() -> None:
    page = page_of(reported())
    figures = data_of(page)["figures"]

    for name, spec in figures.items():
        assert go.Figure(spec).data, name
        assert f"{name}-title" in page.ids
    assert len(figures) == 3 + 2 + 1 + 2


@pytest.mark.parametrize(
    "expected",
    [
        "Engine docker: its socket unix:///var/run/docker.sock answered",
        "isolated by design",
        "connect to 198.18.0.1 (any other address): ENETUNREACH",
        "6.12.41+deb13-amd64",
        "iperf3 -J -c 198.18.0.3 -p PORT -t 2 -O 1 -i 0.2",
        "sockperf sr -i 127.0.0.1 -p PORT --tcp",
        ": no cpufreq on this machine",
        "the view of the cgroup tree; the limits come from the cgroups themselves",
        "two arms (A/A)",
        "95 %, shared by all 9 comparisons",
        "held (stopped) whenever another arm measures",
        "raw/000001-client.txt",
    ],
)
def test_a_reader_without_javascript_finds(expected: str) -> None:
    assert expected in " ".join(page_of(reported()).texts)


def test_a_long_run_shows_its_first_records_and_says_so() -> None:
    run = reported(blocks=115)

    assert "The first 2,000 of 2,070 records; the rest is in records.jsonl" in text_of(run)
    assert len(text_of(run).encode()) < 3_000_000
    assert len(re.findall(r"<tr>", text_of(run).split('id="record-table"')[1])) == FIRST + 1
    assert len(data_of(page_of(run))["tables"]["record-table"]["columns"][0]) == 2_000


def test_a_run_cut_short_says_so_first() -> None:
    run = reported()
    cut = replace(run, info=replace(run.info, status="interrupted"))

    assert "the run is not complete: interrupted" in "".join(page_of(cut).texts)


def test_a_run_without_a_single_number_still_has_a_page() -> None:
    run = reported(blocks=1, drivers=("none",), baseline="none")

    texts = " ".join(page_of(run).texts)

    assert "none alone: isolated by design (2 connection attempts failed, as intended)" in texts
    assert "no link between them" in texts


def test_a_driver_has_one_colour_in_swatches_and_figures() -> None:
    run = reported()
    text = html(run.info, run.analysis, run.digest)
    styles = re.findall(r"^\.(d\d) \{ --c: (#\w+); \}$", text, re.MULTILINE)
    light = dict(reversed(styles))  # the light page's stand first
    swatches = dict(
        re.findall(r'class="swatch (d\d)" aria-hidden="true"></span><bdi>([\w:]+)<', text)
    )
    shown = {name: light[style] for style, name in swatches.items()}
    figures = data_of(Page(text))["figures"]
    traces = [t for spec in figures.values() for t in spec["data"]]
    drawn = {t["name"]: t["line"]["color"] for t in traces if t.get("line", {}).get("color")}

    assert shown.keys() == {"none", "host", "bridge", "bridge:user", "container"}
    for driver in ("bridge", "bridge:user", "container"):
        assert drawn[driver] == shown[driver]


def test_a_run_of_failures_alone_says_so_and_keeps_its_evidence() -> None:
    run = run_of(drivers=("host", "bridge"))
    gone = Failure("client", "the server is gone", "ECONNREFUSED by 198.18.0.3")
    records = tuple(replace(record, outcome=gone, path=None) for record in run.records)
    judged = analyse(run.info, records)

    page = Page(html(run.info, judged, digest(judged, records)))
    text = " ".join(page.texts)

    assert page.crossed == page.open == []
    assert "Not comparable." in text
    assert "no driver could be compared with host" in text
    assert "the server is gone" in text
    assert "ECONNREFUSED by 198.18.0.3" in text
    assert len(data_of(page)["tables"]["record-table"]["columns"][0]) == 72


@pytest.mark.parametrize(("blocks", "drivers"), [(8, ("host",)), (1, ("host", "bridge"))])
def test_one_driver_or_one_block_still_has_a_whole_page(
    blocks: int, drivers: tuple[str, ...]
) -> None:
    page = page_of(reported(blocks=blocks, drivers=drivers))
    text = " ".join(page.texts)

    assert page.crossed == page.open == []
    assert "Not comparable." in text
    assert "Gbit/s" in text
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)


def test_what_only_describes_is_in_the_answer_where_drivers_differ() -> None:
    run = sample("standard", ("host", "bridge"))
    clear = differing(run, "connections", "tcp-crr")
    without, page = (Page(html(one.info, one.analysis, one.digest)) for one in (run, clear))
    texts = [text.strip() for text in page.texts if text.strip()]
    begins = texts.index("What else differs")
    said = texts[begins : texts.index("The path of each driver, as its byte counters proved it")]

    assert "apart" not in without.ids
    assert "Connections per second of tcp-crr" in said
    assert {"30 % fewer", "[20 to 40]"} <= {*said}
    assert said.count("on two cores") == 1
    assert "10 more measures" in said
    assert {"#beside"} <= {*page.links}
    assert page.crossed == []
