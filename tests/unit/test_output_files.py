"""What a user names for output is written whole, and nothing but a regular file is replaced."""

import os
import stat
import threading
from pathlib import Path

import pytest
from support.synthetic import run_of

from netbench.cli import run_command_line
from netbench.errors import RunFolderError
from netbench.store import RunFolder, check_writable, file_problem, write_whole

RUN = run_of(blocks=1, drivers=("host", "bridge"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = RunFolder.create(tmp_path / "reports", RUN.info.plan.drivers, RUN.info)
    for record in RUN.records:
        made.append(record)
    return made.path


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder, the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_file_is_replaced_with_its_permissions_and_a_link_leads_to_it(tmp_path: Path) -> None:
    kept, link = tmp_path / "kept", tmp_path / "link"
    kept.write_bytes(b"before")
    kept.chmod(0o640)
    link.symlink_to("kept")

    write_whole(link, b"after")

    assert link.is_symlink()
    assert kept.read_bytes() == b"after"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o640
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "link"]


def test_a_link_that_leads_nowhere_yet_is_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("later")

    write_whole(tmp_path / "link", b"x")

    assert (tmp_path / "later").read_bytes() == b"x"
    assert (tmp_path / "link").is_symlink()


def test_a_pipe_is_written_to_and_stays(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(RunFolderError, match="nothing reads it"):
        write_whole(pipe, b"x")
    content = b"line\n" * 100_000  # more than a pipe holds
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    descriptor = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)  # there is a reader from now on
    reader.start()
    try:
        write_whole(pipe, content)
    finally:
        os.close(descriptor)
        reader.join(10)

    assert b"".join(read) == content
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.parametrize("name", ["null", "full"])
def test_a_device_is_written_to_and_stays(name: str) -> None:
    before = os.lstat(f"/dev/{name}")
    if name == "full":
        with pytest.raises(RunFolderError, match="No space left"):
            write_whole(Path("/dev/full"), b"x")
    else:
        write_whole(Path("/dev/null"), b"x")

    after = os.lstat(f"/dev/{name}")
    assert (after.st_mode, after.st_ino, after.st_rdev) == (
        before.st_mode,
        before.st_ino,
        before.st_rdev,
    )


def test_standard_output_that_is_a_file_is_added_to(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with capfd.disabled():
        log = tmp_path / "log"
        log.write_bytes(b"kept\n")
        inode = log.stat().st_ino
        saved = os.dup(1)
        with log.open("ab") as file:
            os.dup2(file.fileno(), 1)
            try:
                write_whole(Path("/dev/stdout"), b"added\n")
            finally:
                os.dup2(saved, 1)
                os.close(saved)

    assert log.read_bytes() == b"kept\nadded\n"
    assert log.stat().st_ino == inode
    assert folder.is_dir()


LONG = "x" * 300


@pytest.mark.parametrize(
    ("output", "why"),
    [
        ("", "empty"),
        ("/", "is a directory"),
        (".", "is a directory"),
        (LONG, "File name too long"),
        ("none/there/file", "there is no folder"),
    ],
)
@pytest.mark.parametrize("command", ["export", "compare"])
def test_a_place_that_cannot_hold_a_file_is_refused_before_anything_is_read(
    command: str,
    output: str,
    why: str,
    here: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:

    code = run_command_line((command, "no-run", "--output", output))

    error = capsys.readouterr().err
    assert code == 2
    assert why in error
    assert "--output" in error
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("command", ["export", "compare"])
@pytest.mark.parametrize("name", ["run.json", "records.jsonl", "raw/1-client.txt", "link"])
def test_what_a_run_has_measured_is_not_overwritten(
    folder: Path, command: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "raw").mkdir(exist_ok=True)
    (folder / "raw" / "1-client.txt").write_text("kept")
    (folder / "link").symlink_to("records.jsonl")
    before = (folder / name).read_bytes()

    assert run_command_line((command, str(folder), "--output", str(folder / name))) == 2
    assert "is a part of what a run has measured" in capsys.readouterr().err
    assert (folder / name).read_bytes() == before


@pytest.mark.parametrize(
    ("output", "why"), [("", "empty"), (LONG, "File name too long"), ("file", "not a directory")]
)
def test_run_refuses_a_place_that_cannot_hold_folders(
    output: str,
    why: str,
    here: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (here / "file").write_text("")

    code = run_command_line(("run", "--engine", "netns", "--output", output))

    assert code == 2
    assert why in capsys.readouterr().err
    assert [path.name for path in here.iterdir()] == ["file"]


def test_a_name_with_a_nul_byte_is_no_name() -> None:
    assert "no name for a file" in (file_problem(Path("a\0b")) or "")
    assert "no name for a file" in (check_writable(Path("a\0b")) or "")


def test_an_export_to_a_file_and_to_standard_output_are_the_same(
    folder: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    asked = ("export", str(folder), "--format", "csv")

    def printed(*more: str) -> bytes:
        assert run_command_line((*asked, *more)) == 0
        return capfdbinary.readouterr().out

    out = printed()
    assert out.startswith(b"run,")
    assert printed("--output", "/dev/stdout") == out
    printed("--output", str(tmp_path / "x.csv"))
    assert (tmp_path / "x.csv").read_bytes() == out
