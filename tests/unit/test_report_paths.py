"""A run over several paths: what is compared, what is closed, what has no counterpart."""

import io
from dataclasses import replace

from rich.console import Console
from support.synthetic import Reported, run_of

from netbench.analysis import analyse
from netbench.record import Record, Skip
from netbench.report import digest, html, markdown, terminal
from netbench.report.drawing import drawing
from netbench.report.sentences import closed_sentences, uncompared, unmeasured
from netbench.spec import Path

NO_PORT = Skip("publishes no port", "its ports are the host's", by_design=True)


def on(path: Path, record: Record) -> Record:
    """The same trial on another path, as such a path would record it."""
    closed = path is Path.HAIRPIN and record.cell.driver == "host"
    moved = replace(record, cell=replace(record.cell, path=path))
    if closed:
        return replace(moved, outcome=NO_PORT, path=None)
    if path is Path.EAST_WEST or record.cell.driver != "bridge":
        return moved
    via = "proxy" if path is Path.HAIRPIN else "nat"
    return replace(moved, facts=(*moved.facts, ("trial.published_via", via)))


def several() -> Reported:
    run = run_of(drivers=("host", "bridge", "none"))
    paths = (Path.EAST_WEST, Path.NORTH_SOUTH, Path.HAIRPIN)
    found = [on(path, record) for record in run.records for path in paths]
    records = tuple(replace(record, number=n) for n, record in enumerate(found, start=1))
    cells = tuple(replace(cell, path=path) for cell in run.info.plan.cells for path in paths)
    info = replace(run.info, plan=replace(run.info.plan, cells=cells))
    analysis = analyse(info, records)
    return Reported(info, records, analysis, digest(analysis, records))


RUN = several()


def printed() -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=120, color_system=None)
    console.print(terminal(RUN.info, RUN.analysis, RUN.digest, verbose=True))
    return stream.getvalue()


def test_a_path_that_the_baseline_has_not_is_measured_but_not_compared() -> None:
    assert {c.path for c in RUN.analysis.contrasts} == {Path.EAST_WEST, Path.NORTH_SOUTH}
    assert {(c.driver, c.path) for c in uncompared(RUN.analysis)} == {("bridge", Path.HAIRPIN)}
    assert RUN.analysis.primary_contrasts == 2 * 3


def test_a_closed_path_of_an_open_driver_is_told_apart_from_isolation() -> None:
    closed = closed_sentences(RUN.digest)
    assert [line.partition(":")[0] for line in closed] == ["hairpin of host"]
    assert [view.driver for view in RUN.digest.drivers if view.isolated] == ["none"]


def test_every_path_that_was_taken_is_drawn() -> None:
    bridge = RUN.digest.view("bridge")
    assert bridge is not None
    assert [way.path for way in bridge.ways] == [Path.EAST_WEST, Path.NORTH_SOUTH, Path.HAIRPIN]

    assert all("<svg" in drawing(way) for way in bridge.ways)


def test_the_table_names_the_path_and_how_ports_were_served() -> None:
    text = printed()

    titles = ("Container to container", "From the LAN", "By hairpin")
    assert [line.strip() for line in text.splitlines() if line.strip() in titles] == [*titles]
    assert "Without a counterpart: host has no such path" in text
    assert "no figure of host to compare with" in text[text.index("By hairpin") :]
    assert "north-south of bridge: by published ports, served by nat in 24 records" in text
    assert "hairpin of bridge: by published ports, served by proxy in 24 records" in text
    assert "hairpin of host: publishes no port" in text


def test_what_is_not_possible_is_told_once_with_its_reason_and_every_path() -> None:
    absent = Skip("the kernel has no ipvlan (modprobe ipvlan)")
    records = [
        replace(record, outcome=absent, path=None) if record.cell.driver == "bridge" else record
        for record in RUN.records
    ]

    (line,) = unmeasured(digest(RUN.analysis, records))

    assert line.startswith("bridge: not possible here: the kernel has no ipvlan (modprobe ipvlan)")
    assert line.endswith("(east-west 24x, north-south 24x, hairpin 24x)")


def test_page_and_summary_hold_every_path() -> None:
    page = html(RUN.info, RUN.analysis, RUN.digest)

    assert page.count(' class="card ') == 3 * 3
    assert "Measured where host has no such path" in page
    text = markdown(RUN.info, RUN.analysis, RUN.digest)
    assert "| From the LAN | Throughput on two cores |" in text
    assert (
        "- By hairpin, where host has no path: bridge 17.4 Gbit/s throughput on two cores" in text
    )
