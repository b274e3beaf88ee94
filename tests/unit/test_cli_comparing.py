"""`compare` as it is called, on folders of synthetic runs."""

import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.several import run, saved, scaled, with_facts, with_mtu

from netbench.cli import run_command_line

ONE, TWO = run(1), run(2)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    parent = tmp_path_factory.mktemp("reports")
    made = {
        "kept": ONE,
        "today": with_facts(TWO, kernel__version="#1", nobody__knows="that"),
        "kernel": with_facts(TWO, kernel__release="6.13.0"),
        "newer": with_facts(
            TWO, kernel__release="6.13.0", kernel__version="#2", nobody__knows="this"
        ),
        "mtu": with_mtu(TWO, "bridge", 1400),
        "slower": scaled(TWO, 1.4, "bridge"),
        "again": run(3),
        "kernel-again": with_facts(run(3), kernel__release="6.13.0"),
        "mtu-again": with_mtu(run(3), "bridge", 1400),
        "foreign": run(4, blocks=1, drivers=("container", "bridge:user")),
        "single": run(5, blocks=1),
    }
    return {name: str(saved(one, parent / name)) for name, one in made.items()}


def called(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, Any]:
    code = run_command_line(["compare", "--json", *argv])
    return code, json.loads(capsys.readouterr().out)


def test_two_clean_runs_end_with_0_and_a_page_beside_the_newest(
    folders: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, document = called(capsys, folders["kept"], folders["today"])

    assert (code, document["exit"], document["verdict_withheld"]) == (0, 0, False)
    assert all(one["low"] for one in document["contrasts"] if one["primary"])
    assert Path(document["page"]).name == "compare-000000000001-000000000002.html"
    assert Path(document["page"]).read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(("name", "fact"), [("kernel", "kernel.release"), ("mtu", "link.mtu")])
def test_a_confounder_withholds_the_verdict_and_says_why(
    folders: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    name: str,
    fact: str,
) -> None:
    page = tmp_path / "page.html"
    argv = (folders["kept"], folders[name], "--output", str(page))
    code, document = called(capsys, *argv)
    accepted = called(capsys, *argv, "--accept", fact)

    assert code == 3
    assert document["verdict_withheld"] is True
    assert all(reason.startswith(fact) for reason in document["withheld_by"])
    assert any(d["fact"] == fact and d["confounder"] for d in document["differences"])
    assert document["page"] == str(page)
    assert (accepted[0], accepted[1]["verdict_withheld"]) == (0, False)
    assert f"--accept {fact}" in page.read_text()


def test_one_line_to_copy_accepts_all_that_is_withheld(
    folders: dict[str, str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    argv = ["compare", folders["today"], folders["newer"], "--output", str(tmp_path / "page.html")]
    held = run_command_line(argv)
    out = capsys.readouterr().out
    (line,) = (line for line in out.splitlines() if line.startswith("To compare all the same"))
    options = shlex.split(line.partition("add: ")[2])
    let = run_command_line([*argv, *options])

    assert (held, let) == (3, 0)
    assert options == [*("--accept", "kernel.*"), *("--accept", "nobody.knows")]
    assert "To compare all the same" not in capsys.readouterr().out


@pytest.mark.parametrize("plain", ["", "1"])
def test_colours_are_for_terminals_that_want_them(
    folders: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    plain: str,
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", plain)
    page = str(tmp_path / "page.html")
    run_command_line(["compare", folders["kept"], folders["slower"], "--output", page])

    assert bool(re.search(r"\x1b\[[\d;]*3\d", capsys.readouterr().out)) == (not plain)


def test_budgets_between_runs_decide_the_exit_code(
    folders: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    argv = (f"kept={folders['kept']}", f"today={folders['slower']}")
    bad, good = (
        called(capsys, *argv, "--require", f"bridge/host.rtt_p50@same <= {factor} kept")
        for factor in (1.1, 2)
    )

    assert (bad[0], bad[1]["budgets"][0]["status"]) == (1, "not met")
    assert (good[0], good[1]["budgets"][0]["status"]) == (0, "met")


def test_a_budget_names_runs_by_position_too(
    folders: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    argv = (folders["kept"], folders["today"], "--require", "B.bridge.rtt_p50@same <= 2 A")

    assert called(capsys, *argv)[0] == 0


def test_one_block_is_undecided_and_no_error(
    folders: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, document = called(capsys, folders["kept"], folders["single"])

    assert code == 0
    assert {one["verdict"] for one in document["contrasts"]} == {"undecided"}


def problems(capsys: pytest.CaptureFixture[str], *argv: str) -> list[str]:
    code, document = called(capsys, *argv)

    assert code == 2
    found: list[str] = document["error"]["problems"]
    return found


def test_everything_that_is_wrong_is_told_at_once(
    folders: dict[str, str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    newer = saved(run(6, blocks=1), tmp_path)
    info = json.loads((newer / "run.json").read_text())
    (newer / "run.json").write_text(json.dumps(info | {"schema": 99}))
    empty = tmp_path / "empty"
    empty.mkdir()
    kept = folders["kept"]
    found = problems(
        capsys, kept, f"{kept}/.", str(newer), str(empty), "/nowhere", "--accept", "kernel.relaese"
    )

    told = (
        "no fact is named 'kernel.relaese'; did you mean 'kernel.release'?",
        "given twice",
        "schema 99",
        "is empty",
        "/nowhere does not exist",
    )
    assert len(found) == len(told)
    for said, expected in zip(found, told, strict=True):
        assert expected in said


def test_runs_without_a_cell_in_common_are_told_with_what_each_has(
    folders: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    (said,) = problems(capsys, folders["kept"], folders["foreign"])

    assert "no cell in common" in said
    assert "host tcp-throughput@cross@east-west" in said
    assert "container tcp-throughput@cross@east-west" in said


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (("kept",), "compare takes 2 to 26 run folders, not 1"),
        (("x=kept", "x=today"), "two runs are called x"),
        (("bridge=kept", "today"), "label 'bridge' is a driver's name"),
        (("ms=kept", "today"), "label 'ms' is a unit"),
    ],
)
def test_labels_and_numbers_of_runs(
    folders: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    given: tuple[str, ...],
    expected: str,
) -> None:
    named = [
        f"{label}{eq}{folders[name]}" for label, eq, name in (g.rpartition("=") for g in given)
    ]

    assert any(expected in said for said in problems(capsys, *named))


def test_a_budget_that_cannot_be_is_told_before_anything_is_written(
    folders: dict[str, str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    argv = (folders["kept"], folders["today"], "--output", str(tmp_path / "page.html"))
    found = problems(capsys, *argv, "--require", "bridge.rtt_p50 <= kept, x.y >= A")

    assert len(found) == 3
    assert list(tmp_path.iterdir()) == []


LIMIT = ("--require", "bridge/host.rtt_p50@same <= 1.1 kept")


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (
            "again",
            "budgets are kept. Of 1 budgeted cell: 1 missed once, met when measured again.",
        ),
        ("single", "1 missed once, not decided when measured again."),
    ],
)
def test_a_missed_budget_is_judged_again_by_another_run(
    folders: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    second: str,
    words: str,
) -> None:
    page = tmp_path / "page.html"
    runs = (f"kept={folders['kept']}", f"today={folders['slower']}")
    argv = (*runs, *LIMIT, "--confirm", folders[second], "--output", str(page))
    ended = run_command_line(["compare", "--json", *argv])
    out, err = capsys.readouterr()
    document = json.loads(out)
    (row,) = document["budgets"]

    assert ended == (0 if second == "again" else 1)
    assert words in err
    assert (row["status"], row["again"]["run"]) == ("not met", "today-again")
    assert document["confirmation"]["folder"] == folders[second]
    assert [one["label"] for one in document["runs"]] == ["kept", "today"]
    assert "today-again" in page.read_text()


@pytest.mark.parametrize(
    ("confirm", "problem"),
    [
        ("slower", "is given twice"),
        ("kept", "is given twice"),
        ("kernel-again", "they differ in kernel.release"),
        ("mtu-again", "they differ in link.mtu"),
        ("nowhere", "does not exist"),
        ("", "a name is empty"),
        ("bridge=again", "is a driver's name"),
        ("today=again", "two runs are called today"),
    ],
)
def test_what_is_no_second_run_is_refused(
    folders: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    confirm: str,
    problem: str,
) -> None:
    page = tmp_path / "page.html"
    label, _, name = confirm.rpartition("=")
    named = f"{label}{'=' if label else ''}{folders.get(name, name)}"
    runs = (f"kept={folders['kept']}", f"today={folders['slower']}")
    argv = (*runs, *LIMIT, "--confirm", named, "--output", str(page))
    code, document = called(capsys, *argv)

    assert code == 2
    assert problem in " ".join(document["error"]["problems"])
    assert not page.exists()


def test_a_copy_of_a_run_is_no_second_run(
    folders: dict[str, str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    copy = shutil.copytree(folders["slower"], tmp_path / "copy")
    argv = (f"kept={folders['kept']}", f"today={folders['slower']}", *LIMIT)
    code, document = called(capsys, *argv, "--confirm", str(copy))

    assert code == 2
    assert "holds one of the runs" in document["error"]["message"]


def test_a_confirmation_without_a_budget_is_refused(
    folders: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    argv = (folders["kept"], folders["slower"], "--confirm", folders["again"])
    code, document = called(capsys, *argv)

    assert code == 2
    assert document["error"]["problems"] == ["--confirm has no effect without --require"]
