import io
from dataclasses import replace

from rich.console import Console
from support.synthetic import Reported, contrast_of, reported

from netbench.analysis import QualityWarning, Verdict
from netbench.report import terminal


def printed(run: Reported, width: int = 80) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=width, color_system=None)
    console.print(terminal(run.info, run.analysis, run.digest))
    return stream.getvalue()


def with_contrasts(*contrasts: object) -> Reported:
    run = reported()
    return replace(run, analysis=replace(run.analysis, contrasts=contrasts))


def test_the_first_line_names_the_engine_and_why() -> None:
    first = printed(reported()).splitlines()[0]

    assert first.strip() == "Engine docker: its socket unix:///var/run/docker.sock answered"


def test_eighty_columns_hold_every_row_on_one_line() -> None:
    contrast = contrast_of(driver="bridge:user", blocks=12)

    text = printed(with_contrasts(contrast))

    row = next(line for line in text.splitlines() if line.startswith("bridge:user"))
    assert row.split() == [
        *("bridge:user", "17.5", "Gbit/s", "22.4", "Gbit/s", "0.780", "[0.750,", "0.810]"),
        *("12", "▼", "19", "to", "25", "%", "slower"),
    ]


def test_a_verdict_has_a_word_and_a_sign_of_its_own() -> None:
    contrasts = (contrast_of(verdict=verdict) for verdict in Verdict)
    text = printed(with_contrasts(*contrasts), width=200)

    assert all(
        word in text
        for word in (
            "▲ 19 to 25 % faster",
            "▼ 19 to 25 % slower",
            "= equivalent within 5 %",
            "? undecided: ",
        )
    )


def test_no_interval_is_called_unbounded() -> None:
    text = printed(with_contrasts(contrast_of(low=None, high=None)))

    assert "0.780 unbounded" in text


def test_none_is_a_line_of_its_own() -> None:
    lines = printed(reported(), width=400).splitlines()

    line = next(line for line in lines if line.startswith("none: "))
    assert line.startswith("none: isolated (")
    assert "the only interface is lo" in line
    assert "ENETUNREACH" in line
    assert "not applicable" in line


def test_tool_output_cannot_steer_the_terminal() -> None:
    warning = QualityWarning("odd", "\x1b[2J\x1b]0;owned\x07 [red]seen[/red]", "look")
    text = printed(with_contrasts(contrast_of(driver="\x1b[31mred", warnings=(warning,))))

    assert "\x1b" not in text
    assert "\x07" not in text
    assert "[red]seen[/red]" in text


def test_one_doubt_about_several_contrasts_is_told_once() -> None:
    warning = QualityWarning("few", "5 pairs are few", "run more blocks")
    contrasts = [contrast_of(driver=name, warnings=(warning,)) for name in ("bridge", "container")]

    text = printed(with_contrasts(*contrasts), width=200)

    assert text.count("5 pairs are few. Run more blocks.") == 1
    assert "bridge and container in tcp-throughput on two cores: 5 pairs are few." in text
