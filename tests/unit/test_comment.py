"""ci/comment.py: one comment, changed only by a verdict, on forges that answer as the real ones."""

import importlib.util
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import pytest
from support.forges import MERGE, PROJECT, PULL, REPOSITORY, TOKEN, Forge, forge

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "reports" / "sample"
BOT = "github-actions[bot]"


def _loaded() -> ModuleType:
    """Return the script, which lies in no package."""
    spec = importlib.util.spec_from_file_location("netbench_comment", ROOT / "ci" / "comment.py")
    assert spec
    assert spec.loader
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


COMMENT = _loaded()


class Job:
    """A job of a pull or merge request, with the run folder that it measured."""

    def __init__(self, served: Forge, folder: Path, **changed: str) -> None:
        self.folder = folder
        self.document = json.loads((SAMPLE / "summary.json").read_text())
        self.document["budgets"] = [
            {
                "expression": "bridge.rtt_p50 <= 1.5 host",
                "cell": dict.fromkeys(("driver", "path", "probe", "placement"), "x"),
                "metric": "rtt_p50",
                "status": "met",
                "measured": 1.3,
            }
        ]
        self.text = (SAMPLE / "summary.md").read_text()
        event = folder / "event.json"
        event.write_text(json.dumps({"action": "opened", "pull_request": {"number": PULL}}))
        here = {
            "github": {
                "GITHUB_API_URL": served.address,
                "GITHUB_REPOSITORY": REPOSITORY,
                "GITHUB_EVENT_PATH": str(event),
                "GITHUB_OUTPUT": str(folder / "output"),
            },
            "gitlab": {
                "CI_API_V4_URL": served.address,
                "CI_MERGE_REQUEST_PROJECT_ID": PROJECT,
                "CI_MERGE_REQUEST_IID": MERGE,
            },
        }
        self.env = {"COMMENT_TOKEN": TOKEN, **here[served.kind], **changed}

    def ends(self) -> int:
        (self.folder / "summary.json").write_text(json.dumps(self.document))
        (self.folder / "summary.md").write_text(self.text)
        code: int = COMMENT.main([str(self.folder)], self.env)
        return code

    @property
    def outcome(self) -> str:
        """What later steps of a workflow read."""
        return (self.folder / "output").read_text().splitlines()[-1]


@contextmanager
def job(
    folder: Path, kind: Literal["github", "gitlab"] = "github", **settings: Any
) -> Iterator[tuple[Job, Forge]]:
    with forge(kind, **settings) as served:
        yield Job(served, folder), served


@pytest.mark.parametrize(("kind", "login"), [("github", ""), ("github", "me"), ("gitlab", "me")])
def test_the_comment_changes_only_when_a_verdict_does(
    tmp_path: Path, kind: Literal["github", "gitlab"], login: str
) -> None:
    with job(tmp_path, kind, login=login) as (ours, there):
        there.add("a person's comment")
        assert ours.ends() == 0
        first = there.bodies[1]

        ours.text += "\n- other figures\n"
        ours.document["budgets"][0]["measured"] = 1.4
        ours.document["contrasts"][0]["ratio"] *= 1.01
        assert ours.ends() == 0
        assert there.bodies == ["a person's comment", first]

        ours.document["budgets"][0]["status"] = "not met"
        assert ours.ends() == 0
        assert len(there.bodies) == 2
        assert there.bodies[1] != first
        assert "other figures" in there.bodies[1]


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document["budgets"].clear(),
        lambda document: document["budgets"][0].update(status="not decided"),
        lambda document: document["budgets"][0].update(expression="bridge.rtt_p50 <= 2 host"),
        lambda document: primary(document).update(verdict="equivalent"),
        lambda document: primary(document).update(driver="new"),
    ],
)
def test_every_part_of_a_verdict_counts(tmp_path: Path, change: Any) -> None:
    with job(tmp_path) as (ours, _):
        ours.ends()
        change(ours.document)
        ours.ends()
        assert ours.outcome == "comment=updated"


def primary(document: dict[str, Any]) -> dict[str, Any]:
    """Return a contrast of which summary.md speaks."""
    found: dict[str, Any] = next(
        c for c in document["contrasts"] if c["primary"] and c["verdict"] == "slower"
    )
    return found


def test_of_contrasts_those_count_that_the_summary_shows(tmp_path: Path) -> None:
    with job(tmp_path) as (ours, _):
        ours.ends()
        other = next(c for c in ours.document["contrasts"] if not c["primary"])
        other["verdict"] = "slower" if other["verdict"] == "undecided" else "undecided"
        ours.document["contrasts"].reverse()
        ours.ends()
        assert ours.outcome == "comment=unchanged"


def test_jobs_of_other_names_have_comments_of_their_own(tmp_path: Path) -> None:
    with job(tmp_path) as (ours, there):
        ours.ends()
        ours.env["COMMENT_NAME"] = "arm64 --> <script>"
        ours.ends()
        assert ours.outcome == "comment=created"
        assert len(there.bodies) == 2
        assert "<script>" not in there.bodies[1]
        ours.ends()
        assert ours.outcome == "comment=unchanged"


@pytest.mark.parametrize(("login", "other"), [("", "User"), ("me", "Bot")])
def test_a_marker_that_another_wrote_is_left_alone(tmp_path: Path, login: str, other: str) -> None:
    with job(tmp_path, login=login) as (ours, there):
        ours.ends()
        copied = there.bodies[0]
        there.comments[0]["user"].update(login="another", type=other)
        ours.document["budgets"][0]["status"] = "not met"
        ours.ends()
        assert ours.outcome == "comment=created"
        assert there.bodies[0] == copied


def test_the_comment_is_found_on_a_later_page(tmp_path: Path) -> None:
    with job(tmp_path) as (ours, there):
        for number in range(230):
            there.add(f"comment {number}", BOT, "Bot")
        ours.ends()
        assert ours.outcome == "comment=created"
        ours.ends()
        assert ours.outcome == "comment=unchanged"
        assert len(there.comments) == 231


def test_where_the_token_may_not_write_there_is_no_comment_and_no_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with job(tmp_path, writes=False) as (ours, there):
        assert ours.ends() == 0
        assert there.comments == []
    assert ours.outcome == "comment=none"
    assert capsys.readouterr().out == (
        "::notice title=netbench::no comment: the token may not read and write comments here, as in"
        " a pull request from a fork (HTTP 403); the report is among the artifacts\n"
    )


@pytest.mark.parametrize(
    ("kind", "changed", "why"),
    [
        ("github", {"COMMENT_TOKEN": ""}, "no token was given"),
        ("github", {"COMMENT_TOKEN": "wrong"}, "HTTP 401"),
        ("gitlab", {"COMMENT_TOKEN": "wrong"}, "HTTP 401"),
        ("gitlab", {"CI_MERGE_REQUEST_IID": ""}, "not of a merge request"),
        ("gitlab", {"CI_MERGE_REQUEST_IID": "99"}, "HTTP 404"),
    ],
)
def test_why_there_is_no_comment_is_told(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    kind: Literal["github", "gitlab"],
    changed: dict[str, str],
    why: str,
) -> None:
    with job(tmp_path, kind, login="me") as (ours, there):
        ours.env |= changed
        assert ours.ends() == 0
        assert there.comments == []
    assert why in capsys.readouterr().out


def test_a_workflow_of_no_pull_request_asks_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with job(tmp_path) as (ours, there):
        (tmp_path / "event.json").write_text('{"ref": "refs/heads/main", "pull_request": null}')
        assert ours.ends() == 0
        assert there.asked == []
    assert "not started by a pull request" in capsys.readouterr().out


def test_a_read_that_fails_is_tried_again(tmp_path: Path) -> None:
    with job(tmp_path, next=[(502, "")]) as (ours, there):
        assert ours.ends() == 0
        assert len(there.comments) == 1


@pytest.mark.parametrize(
    "answers",
    [
        [(200, "no JSON")],
        [(200, '{"login": "me"}'), (200, '[{"id": "not a number", "body": ""}]')],
        [(200, '{"login": "me"}'), (200, "[]"), (500, "a comment may be there or not")],
        [(301, "")],
        [(422, '{"message": "50 % \\n::error::of it"}')],
    ],
)
def test_what_the_forge_answers_fails_no_job(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], answers: list[tuple[int, str]]
) -> None:
    with job(tmp_path, next=answers) as (ours, there):
        assert ours.ends() == 0
        assert there.comments == []
    out = capsys.readouterr().out
    assert out.startswith("::warning title=netbench::no comment: ")
    assert out.count("\n") == 1


def test_a_forge_that_is_not_there_fails_no_job(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with job(tmp_path) as (ours, _):
        ours.env["GITHUB_API_URL"] = "ftp://127.0.0.1"
        assert ours.ends() == 0
    assert "::warning" in capsys.readouterr().out


def test_what_is_too_long_is_cut_at_a_line(tmp_path: Path) -> None:
    with job(tmp_path) as (ours, there):
        ours.text = "".join(f"| line {number} |\n" for number in range(9_000))
        ours.ends()
        lines = there.bodies[0].splitlines()
    assert 60_000 < len(there.bodies[0]) <= 65_536
    assert lines[-3].endswith(" |")
    assert "changes only when a verdict does" in lines[-1]


def test_the_report_is_linked_where_its_address_is_known(tmp_path: Path) -> None:
    with job(tmp_path) as (ours, there):
        ours.env["REPORT_URL"] = "https://example.org/artifact"
        ours.ends()
        assert "[The whole report](https://example.org/artifact)" in there.bodies[0]


def test_a_folder_without_a_summary_is_a_wrong_request(tmp_path: Path) -> None:
    assert COMMENT.main([str(tmp_path)], {}) == 2
    assert COMMENT.main([], {}) == 2
