"""action.yml and ci/gitlab.yml: their own scripts, run by a shell, beside APIs on loopback."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.documented import ROOT, shown
from support.forges import MERGE, PROJECT, PULL, REPOSITORY, TOKEN, Forge, forge
from support.hang import HANG
from support.program import TRICKLE
from support.require import require_or_skip
from support.steps import COMPARED, NAMED, Job, surroundings

from netbench.engines.netns.spawner import unavailable

ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
GITLAB = yaml.safe_load((ROOT / "ci" / "gitlab.yml").read_text())
TAG, VERSION = "v9.8.7", "9.8.7"
NEEDED = ("netbench", "benchmarks", "ci", "action.yml", "pyproject.toml", "quickstart")
NEEDED += ("README.md", "LICENSE", "docs/netbench.1", ".gitattributes", ".git_archival.txt")
REFUSED = re.compile(r'["<>|*?:\r\n]')
"""What upload-artifact takes in no path."""


def sh(folder: Path, env: Mapping[str, str], *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=HANG
    )


def git(folder: Path, *argv: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    done = sh(folder, surroundings(), "git", *who, *argv)
    assert done.returncode == 0, done.stderr
    return done.stdout


@dataclass(frozen=True)
class Released:
    """A repository with a release, and a job on GitLab that has cloned and installed it."""

    repository: Path
    project: Path
    env: dict[str, str]

    @property
    def clone(self) -> Path:
        return self.project / ".netbench"


def gitlab(part: str, project: Path, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a part of the template's job."""
    variables = {name: str(value) for name, value in GITLAB[".netbench"]["variables"].items()}
    return sh(
        project,
        {**variables, **env},
        *("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c"),
        "\n".join(GITLAB[".netbench"][part]),
    )


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory) -> Released:
    reason = unavailable()
    if reason:
        require_or_skip("netns", reason)
    base = tmp_path_factory.mktemp("released")
    repository, project = base / "repository", base / "project"
    project.mkdir()
    ignored = shutil.ignore_patterns("__pycache__", "harness", "calibration")
    for name in NEEDED:
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, repository / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, repository / name)
    git(repository, "init", "--quiet")
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message", "all")
    git(repository, "tag", TAG)
    (project / "short.toml").write_text(TRICKLE)
    env = {**surroundings(), "NETBENCH_SOURCE": f"file://{repository}", "NETBENCH_TAG": TAG}
    env["PIP_NO_COMPILE"] = "1"  # of what is installed only a part is ever imported
    done = gitlab("before_script", project, env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == f"netbench {VERSION}"
    return Released(repository, project, env)


@pytest.fixture
def hub() -> Iterator[Forge]:
    with forge("github") as served:
        yield served


def kept(folder: Path) -> Any:
    """Return what stands in for upload-artifact."""

    def upload(uses: str, given: dict[str, str]) -> dict[str, str]:
        assert re.fullmatch(r"actions/upload-artifact@v\d+", uses)
        source = Path(given["path"])
        for path in source.rglob("*"):
            assert not REFUSED.search(str(path)), path
        shutil.copytree(source, folder / "artifacts" / given["name"] / source.name)
        return {"artifact-url": "https://example.org/artifact"}

    return upload


def job(released: Released, folder: Path, hub: Forge, **inputs: str) -> Job:
    """Return a job of a pull request that uses the action."""
    event = folder / "event.json"
    title = "$(touch pwned) `touch pwned` ${{ github.token }}"
    event.write_text(json.dumps({"pull_request": {"number": PULL, "title": title}}))
    (folder / "short.toml").write_text(TRICKLE)
    env = {
        **surroundings(),
        "GITHUB_ACTIONS": "true",
        "GITHUB_API_URL": hub.address,
        "GITHUB_REPOSITORY": REPOSITORY,
        "GITHUB_EVENT_PATH": str(event),
        "GITHUB_HEAD_REF": "$(touch${IFS}pwned)",
    }
    given = {"engine": "netns", "suite": "short.toml", "token": TOKEN, **inputs}
    given = {name.replace("_", "-"): text for name, text in given.items()}
    return Job.of(released.clone, folder, env, given, kept(folder))


def test_a_job_measures_keeps_comments_and_fails_by_its_budgets(
    released: Released, tmp_path: Path, hub: Forge
) -> None:
    hub.add("a person's comment")
    budgets = "\nbridge.loss <= 50 %\n  bridge.loss <= 60 %; bridge.loss <= 70 %\n"

    done = job(released, tmp_path, hub, require=budgets, arguments="--blocks=1\n\n--seed=7").run()

    assert done.failed, "one block decides nothing"
    assert [*done.ran] == [step["name"] for step in ACTION["runs"]["steps"]], done.ran
    assert done.result("exit-code") == "1", done.ran["Measure"]
    judged = done.ran["Judge"]
    assert judged
    assert "::error title=netbench::A budget is not met, or not decided" in judged.stdout
    folder = Path(done.result("folder"))
    assert (tmp_path / "artifacts" / "netbench" / folder.name / "report.html").is_file()
    summary = (folder / "summary.md").read_text()
    assert summary.count("not decided |") + summary.count("not decided:") >= 3
    assert Path(done.env["GITHUB_STEP_SUMMARY"]).read_text() == summary
    assert done.result("comment") == "created"
    assert summary in hub.bodies[1]
    assert "https://example.org/artifact" in hub.bodies[1]
    run = json.loads((folder / "run.json").read_text())
    assert run["version"] == VERSION
    assert not list(tmp_path.rglob("pwned"))
    again(done, folder, hub)


def again(done: Job, folder: Path, hub: Forge) -> None:
    """The same job once more: its comment follows the verdicts, and nothing else."""
    first, done.failed = hub.bodies, False
    (folder / "summary.md").write_text("other figures\n")
    assert done.run("Comment").result("comment") == "unchanged"
    assert hub.bodies == first
    path = folder / "summary.json"
    path.write_text(path.read_text().replace('"not decided"', '"met"'))
    assert done.run("Comment").result("comment") == "updated"
    assert "other figures" in hub.bodies[1]
    hub.writes = False
    path.write_text(path.read_text().replace('"met"', '"not met"'))
    assert done.run("Comment").result("comment") == "none"
    told = done.ran["Comment"]
    assert told
    assert "::notice title=netbench::no comment: the token may not read and write" in told.stdout
    assert not done.failed


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("drivers", 'host"; touch pwned; "$(touch pwned)`touch pwned`'),
        ("require", "bridge.loss <= 5 $(touch pwned)\n'; touch pwned"),
        ("arguments", "--blocks=1; touch pwned\n$(touch pwned)\n--seed=`touch pwned`"),
        ("suite", "$(touch pwned)"),
    ],
)
def test_no_input_is_evaluated(
    released: Released, tmp_path: Path, hub: Forge, name: str, text: str
) -> None:
    done = job(released, tmp_path, hub, **{name: text}).run()

    assert done.failed
    assert done.result("exit-code") == "2", done.ran["Measure"]
    assert done.result("folder") == ""
    assert {*done.ran} == {"Install", "Measure", "Judge"}
    assert hub.asked == []
    assert not list(tmp_path.rglob("pwned"))


def test_a_merge_request_has_its_note(released: Released) -> None:
    options = {"ENGINE": "netns", "SUITE": "short.toml", "BLOCKS": "1", "ALLOW_UNDECIDED": "true"}
    budgets = "bridge.loss <= 50 %; bridge.loss <= 60 %"
    with forge("gitlab", login="project_5_bot") as lab:
        merge = {
            "CI_MERGE_REQUEST_PROJECT_ID": PROJECT,
            "CI_MERGE_REQUEST_IID": MERGE,
            "COMMENT_TOKEN": TOKEN,
        }
        env = {
            **released.env,
            **{f"NETBENCH_{name}": text for name, text in options.items()},
            **merge,
            "NETBENCH_REQUIRE": budgets,
            "CI_API_V4_URL": lab.address,
            "CI_JOB_URL": "https://example.org/job",
        }
        done = gitlab("script", released.project, env)

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("comment: created\n")
    (parent,) = GITLAB[".netbench"]["artifacts"]["paths"]
    (folder,) = (released.project / parent).iterdir()
    assert (folder / "report.html").is_file()
    (note,) = lab.bodies
    assert f"https://example.org/job/artifacts/browse/{parent}{folder.name}/" in note
    assert note.count("bridge.loss") == 2


@pytest.mark.parametrize(("tagged", "version"), [(True, VERSION), (False, "0+unknown")])
def test_a_downloaded_archive_knows_its_release(
    released: Released, tmp_path: Path, *, tagged: bool, version: str
) -> None:
    """As what GitHub and GitLab offer for download, and what a job gets of an action."""
    archive, tree = tmp_path / "archive.tar", tmp_path / "tree"
    untagged = git(released.repository, "commit-tree", f"{TAG}^{{tree}}", "-m", "other").strip()
    commit = TAG if tagged else untagged
    git(released.repository, "archive", "--output", str(archive), commit)
    shutil.unpack_archive(archive, tree, filter="data")

    done = sh(tree, surroundings(), sys.executable, "-m", "hatchling", "version")

    assert done.stdout.strip() == version, done.stderr


def test_scripts_hold_no_expressions_and_values_are_names() -> None:
    for step in ACTION["runs"]["steps"]:
        assert "${{" not in step.get("run", "")
        for text in {**step.get("env", {}), **step.get("with", {})}.values():
            assert NAMED.fullmatch(text), text
        for condition in step.get("if", "always()").split(" && "):
            assert condition == "always()" or COMPARED.fullmatch(condition)
    used = {name for step in ACTION["runs"]["steps"] for name in NAMED.findall(json.dumps(step))}
    conditions = " ".join(step.get("if", "") for step in ACTION["runs"]["steps"])
    for name in ACTION["inputs"]:
        assert f"inputs.{name}" in used or f"inputs.{name} " in conditions


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ("github-actions", (ROOT / "action.yml").read_text()),
        ("gitlab-ci", (ROOT / "ci" / "gitlab.yml").read_text()),
        *[("github-workflows", text) for text in shown("ci.md", "yaml") if "runs-on:" in text],
        *[("gitlab-ci", text) for text in shown("ci.md", "yaml") if "runs-on:" not in text],
    ],
)
def test_it_is_right_by_the_published_schema(tmp_path: Path, schema: str, text: str) -> None:
    file = tmp_path / "file.yml"
    file.write_text(text)

    done = sh(
        tmp_path,
        surroundings(),
        *(sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}"),
        str(file),
    )

    assert done.returncode == 0, done.stdout
