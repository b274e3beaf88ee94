from pathlib import Path

from netbench.engines.local_process import NOT_RUN, call


def test_a_program_that_cannot_be_run_or_does_not_end_has_failed(tmp_path: Path) -> None:
    absent = call(str(tmp_path / "absent"))
    forbidden = call(str(tmp_path))
    endless = call("sleep", "60", timeout=0.05)

    assert {one.returncode for one in (absent, forbidden, endless)} == {NOT_RUN}
    assert "No such file" in absent.stderr
    assert "Permission denied" in forbidden.stderr
    assert endless.stderr == "it did not end within 0.05 s"


def test_a_program_that_runs_is_taken_as_it_is() -> None:
    done = call("sh", "-c", "printf '\\377'; echo no >&2; exit 3")

    assert (done.returncode, done.stdout, done.stderr) == (3, "\N{REPLACEMENT CHARACTER}", "no\n")
