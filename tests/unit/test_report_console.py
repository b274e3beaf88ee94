"""What a terminal shows of a run, in every width."""

import io
from dataclasses import replace

import pytest
from rich.console import Console
from support.samples import differing, sample
from support.synthetic import Reported, contrast_of, reported

from netbench import units
from netbench.analysis import QualityWarning, Verdict
from netbench.report import headline, terminal
from netbench.report.conditions import Badges
from netbench.report.driver_costs import driver_costs
from netbench.report.effects import effect
from netbench.report.labels import DECIDED, interval
from netbench.report.sentences import primaries

TWO = ("host", "bridge")
WIDTHS = (60, 80, 100, 200)
RUNS = [("standard", TWO), (".", TWO), ("standard", ()), (".", ())]


def printed(run: Reported, width: int = 80, *, verbose: bool = False, engine: bool = True) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=width, color_system=None)
    shown = terminal(
        run.info, run.analysis, run.digest, "reports/x", verbose=verbose, engine=engine
    )
    console.print(shown)
    return stream.getvalue()


def flowing(text: str) -> str:
    """Return a text without its line ends."""
    return " ".join(text.split())


def with_contrasts(*contrasts: object) -> Reported:
    run = reported()
    return replace(run, analysis=replace(run.analysis, contrasts=contrasts))


@pytest.mark.parametrize("verbose", [False, True])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(("name", "drivers"), RUNS)
def test_no_width_loses_a_driver_or_cuts_a_figure(
    name: str, drivers: tuple[str, ...], width: int, *, verbose: bool
) -> None:
    run = sample(name, drivers)
    lines = printed(run, width, verbose=verbose).splitlines()
    costs = [
        cost
        for row in driver_costs(run.info, run.analysis, run.digest)
        for cost in row.costs.values()
    ]
    figures = {cost.median for cost in costs}
    for one in primaries(run.analysis):
        strong, rest = effect(run.analysis, one)
        figures |= {strong, rest} if one.verdict in DECIDED else {strong}
        if verbose:
            figures |= {units.ratio(one.ratio), interval(one.low, one.high)}

    assert max(map(len, lines)) <= width
    assert "…" not in "".join(lines)
    assert [f for f in figures if not any(f in line for line in lines)] == []
    words = {word.strip(":,") for line in lines for word in line.split()}
    assert {*run.info.plan.drivers} <= words


@pytest.mark.parametrize("width", [80, 100, 200])
@pytest.mark.parametrize("status", ["complete", "out-of-time"])
def test_two_drivers_take_a_screen_of_fifteen_lines(width: int, status: str) -> None:
    run = sample("standard", TWO)
    info = replace(run.info, status=status)
    lines = printed(replace(run, info=info), width, engine=False).splitlines()

    assert len(lines) + len(["report: reports/x/report.html"]) <= 15


def test_what_only_describes_is_shown_where_drivers_differ_and_counted_where_not() -> None:
    run = sample("standard", TWO)
    without = printed(run, 200)
    clear = printed(differing(run, "connections", "tcp-crr"), 200).splitlines()

    assert "Only described" not in without
    assert "\n11 measures only described: --verbose shows them\n" in without
    title = clear.index("Only described, each interval by itself 95 % or more")
    assert clear[title + 1].strip() == (
        "connections per second of tcp-crr on two cores, against host"
    )
    assert "30 % fewer [20 to 40]" in clear[title + 3]
    assert "10 more measures only described: --verbose shows them" in clear
    assert title > next(n for n, line in enumerate(clear) if line.startswith("Intervals"))


def test_what_only_describes_says_nothing_again_of_a_driver() -> None:
    run = sample("standard", ("none", "host", "macvlan:bridge"))
    before, text = printed(run, 200), printed(differing(run, "connections", "tcp-crr"), 200)

    assert "30 % fewer" in text
    for said in ("isolated by design (", "virtual LAN, no network card"):
        assert text.count(said) == before.count(said) > 0


def test_what_only_describes_takes_no_more_than_a_screen() -> None:
    """Ten drivers differ in three measures: thirty figures are for --verbose."""
    run = sample("standard")
    for metric, probe in (
        ("connections", "tcp-crr"),
        ("throughput", "tcp-paced"),
        ("rtt_p50", "udp-rr"),
        ("throughput", "tcp-parallel"),
        ("throughput", "tcp-reverse"),
    ):
        run = differing(run, metric, probe)

    assert "Only described" not in printed(run)
    assert "11 measures only described: --verbose shows them" in printed(run)


def test_the_answer_comes_first_in_the_words_of_every_output_then_what_limits_it() -> None:
    run = sample("standard", TWO)
    parts = (run.info, run.analysis, run.digest)
    lines = printed(run, 400).splitlines()
    caveats = Badges(*parts).lines()

    assert lines[0].startswith("Engine docker: ")
    assert lines[1:3] == [headline(*parts), "; ".join(caveats)]
    assert headline(*parts) in flowing(printed(run, 60))


def test_the_engine_is_left_out_where_the_screen_has_it() -> None:
    assert "Engine docker: " in printed(reported())
    assert "Engine docker: " not in printed(reported(), engine=False)


def test_wide_enough_a_driver_is_one_line_with_all_its_measures() -> None:
    run = sample("standard", TWO)
    lines = printed(run, 200).splitlines()
    bridge = next(line for line in lines if line.startswith("bridge  "))
    head = lines[lines.index(bridge) - 2]

    assert head.split("  ")[-1] == "round trip on two cores, against host"
    assert "13.1 Gbit/s 41 % less [36 to 46]" in bridge
    assert bridge.endswith("retransmits")


def test_what_limits_figures_goes_first_then_what_would_decide_then_the_table_is_turned() -> None:
    run = sample("standard", ("host", "container"))

    def row(width: int) -> str:
        lines = printed(run, width).splitlines()
        return [line for line in lines if line.startswith("container")][-1]

    whole = row(1000)
    assert whole.endswith("; over loopback, MTU 65536")
    badgeless = row(len(whole) - 1)
    assert badgeless == whole.removesuffix("; over loopback, MTU 65536")
    assert " more blocks, " in badgeless
    shortest = row(len(badgeless) - 1)
    assert badgeless.startswith(shortest)
    assert shortest.endswith(" holds 1")
    assert row(len(shortest) - 1).startswith("container against host")


def test_the_reason_stands_in_the_line_of_what_is_undecided() -> None:
    reason = "host-vs-host differs by 7 %"
    undecided = contrast_of(verdict=Verdict.UNDECIDED, reason=reason)
    decided = contrast_of(metric="rtt_p50", probe="tcp-rr", unit="s")
    lines = printed(with_contrasts(undecided, decided), 110).splitlines()

    line = next(line for line in lines if line.startswith(" throughput on two cores"))
    assert line.endswith(f"undecided: {reason}")


def test_one_reason_of_all_measures_is_told_once() -> None:
    run = reported(drivers=TWO)
    few = [
        replace(one, verdict=Verdict.UNDECIDED, reason="4 usable blocks, at least 6 needed")
        for one in run.analysis.contrasts
    ]
    text = printed(replace(run, analysis=replace(run.analysis, contrasts=few)), 80)
    table = text[text.rindex("\nbridge against host: ") :]

    assert table.count("4 usable blocks, at least 6 needed") == 1
    assert table.count(" undecided\n") == 3


@pytest.mark.parametrize("verdict", Verdict)
def test_a_contrast_is_said_in_the_words_of_every_output(verdict: Verdict) -> None:
    run = with_contrasts(contrast_of(verdict=verdict, reason="too few"))
    strong, rest = effect(run.analysis, run.analysis.contrasts[0])

    assert (f"Gbit/s {strong}" if rest == "too few" else f"Gbit/s {strong} {rest}") in printed(
        run, 200
    )


def test_no_interval_is_called_unbounded() -> None:
    run = with_contrasts(contrast_of(low=None, high=None))

    assert "0.780 unbounded" in printed(run, verbose=True)


def test_a_driver_without_any_path_is_a_line_with_what_was_tried() -> None:
    lines = printed(reported(), 200).splitlines()

    assert "none         isolated by design (2 connection attempts failed, as intended)" in lines


def test_the_proof_of_isolation_is_shown_on_demand() -> None:
    assert "the only interface is lo" not in printed(reported(), 400)

    text = printed(reported(), 400, verbose=True)
    line = next(line for line in text.splitlines() if line.startswith("none: isolated ("))
    assert "the only interface is lo" in line
    assert "ENETUNREACH" in line


def test_failures_are_never_hidden() -> None:
    run = sample()
    text = flowing(printed(run, 80))

    assert "2 of 528 records failed: macvlan:vepa (sockperf: " in text
    assert "bridge:user (sockperf: " in text


def test_tool_output_cannot_steer_the_terminal() -> None:
    warning = QualityWarning("odd", "\x1b[2J\x1b]0;owned\x07 [red]seen[/red]", "look")
    run = reported(drivers=("host", "bridge"))
    contrast = contrast_of(driver="bridge", reason="\x1b[31mred", warnings=(warning,))
    run = replace(run, analysis=replace(run.analysis, contrasts=(contrast,)))
    text = printed(run, verbose=True)

    assert "\x1b" not in text
    assert "\x07" not in text
    assert "[red]seen[/red]" in text


def test_warnings_are_a_line_and_what_to_do_is_shown_on_demand() -> None:
    warning = QualityWarning("null-differs", "5 pairs are few", "run more blocks")
    odd = QualityWarning("odd-thing", "it is odd", "look")
    contrasts = [contrast_of(driver=name, warnings=(warning, odd)) for name in TWO[1:]]
    contrasts += [contrast_of(driver="container", warnings=(warning,))]
    run = with_contrasts(*contrasts)

    short, long = (printed(run, 200, verbose=verbose) for verbose in (False, True))

    kinds = "the baseline differs from itself, odd thing"
    assert f"2 warnings: {kinds}; --verbose shows what to do" in short.splitlines()
    assert long.count("5 pairs are few. Run more blocks.") == 1
    assert "bridge and container in tcp-throughput on two cores: 5 pairs are few." in long
    assert "--verbose" not in long


def test_the_command_that_goes_on_can_be_copied_in_any_width() -> None:
    run = sample()
    for width in (60, 80, 200):
        lines = printed(run, width).splitlines()
        start = next(n for n, line in enumerate(lines) if "netbench run --resume" in line)
        command = " ".join(line.removesuffix("\\").strip() for line in lines[start:])

        assert command.endswith("netbench run --resume reports/x --blocks +287")
