"""The documentation against the program: what is there is told, what is told is there."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast, get_args, get_type_hints

import pytest
import typer
from support.documented import commands, shown
from support.hang import HANG
from support.require import require_or_skip

from netbench.analysis import Verdict
from netbench.analysis.quality import STATUS
from netbench.cli import BUG, app
from netbench.drivers import DRIVERS, OPEN, cni, plugin
from netbench.engines.netns.spawner import unavailable
from netbench.errors import NetbenchError
from netbench.facts.registry import FACTS
from netbench.plan.suite import load_suite
from netbench.record import Failure
from netbench.spec import Path as Way
from netbench.spec import Role

ROOT = Path(__file__).parent.parent.parent
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
CONCEPTS, VERDICTS, SCHEMA, CLI, DRIVERS_PAGE, SUITES, WRITE_A_DRIVER, WRITE_A_PROBE = (
    (ROOT / "docs" / f"{name}.md").read_text()
    for name in (
        "concepts",
        "verdicts",
        "schema",
        "cli",
        "drivers",
        "suites",
        "write-a-driver",
        "write-a-probe",
    )
)
EVERY_DRIVER = (*DRIVERS.values(), plugin("NAME"), cni("CONFLIST", "", publishes=True))
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
NETBENCH: Any = cast("Any", typer.main.get_command(app))
COMMANDS: dict[str, Any] = {
    name: NETBENCH.get_command(None, name) for name in NETBENCH.list_commands(None)
}
OPTIONS = [
    (name, option)
    for name, command in COMMANDS.items()
    for option in command.params
    if option.param_type_name == "option"
]

FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```(python|diff)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FILE = re.compile(r"(?<![\w/.-])(?:netbench|tests|benchmarks|docs|\.ci)/[\w./-]*\w")


def section(page: str, title: str) -> str:
    """Return what stands under a heading, up to the next one of its level or above."""
    match = re.search(rf"^(#+) {re.escape(title)}$", page, re.MULTILINE)
    assert match, f"no heading {title!r}"
    rest = page[match.end() :]
    after = re.search(rf"^#{{1,{len(match[1])}}} ", rest, re.MULTILINE)
    return rest[: after.start()] if after else rest


def rows(text: str) -> dict[str, str]:
    """Return table rows by the code or number that stands first in them."""
    return {
        match[1]: match[0]
        for match in re.finditer(r"^\| `?(--[\w-]+|[\w:-]+).*$", text, re.MULTILINE)
    }


def slugs(page: str) -> set[str]:
    """Return the anchors that a page's headings make."""
    titles = re.findall(r"^#+ (.+)$", FENCE.sub("", page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def subclasses(root: type[NetbenchError]) -> Iterator[type[NetbenchError]]:
    yield root
    for child in root.__subclasses__():
        yield from subclasses(child)


def test_what_is_built_from_the_code_is_up_to_date() -> None:
    done = run(ROOT, "docs/generate.py", "--check")

    assert done.returncode == 0, done.stderr


def test_every_option_of_run_has_the_variable_that_the_readme_promises() -> None:
    for command, option in OPTIONS:
        promised = "NETBENCH_" + option.opts[0].removeprefix("--").replace("-", "_").upper()
        assert option.envvar in ({promised} if command == "run" else {promised, None})


def test_exit_codes_are_those_of_the_errors() -> None:
    told = {int(code) for code in rows(section(CLI, "Exit codes")) if code.isdecimal()}

    assert told == {0, 1, BUG, *(error.exit_code for error in subclasses(NetbenchError))}


def test_drivers_are_told_with_no_other_beside_them() -> None:
    told = set(rows(section(DRIVERS_PAGE, "The list"))) - {"driver"}

    assert told == {*DRIVERS, *(start + rest for start, rest in OPEN.items())}


def test_options_of_variants_are_told_with_the_drivers_that_take_them() -> None:
    told = rows(section(DRIVERS_PAGE, "Variants"))
    options = {option for driver in EVERY_DRIVER for option in driver.options} - {"-o"}

    assert set(told) - {"option"} == options
    for option in options:
        takers = set(re.findall(r"`([^`]+)`", told[option].split("|")[3]))
        for driver in EVERY_DRIVER:
            family, colon, _ = driver.name.partition(":")
            named = not takers.isdisjoint({driver.name, family, family + colon})
            assert named == (option in driver.options), f"{driver.name} and {option}"


def test_paths_are_told_with_no_other_beside_them() -> None:
    table = section(CONCEPTS, "Paths").partition("\n\nThe ")[0]

    assert set(rows(table)) - {"path"} == set(Way)


def test_roles_and_what_is_known_of_published_ports_are_told() -> None:
    published = [name for name in FACTS if name.startswith(("trial.published", "trial.proxy"))]

    for word in (*Role, *published):
        assert f"`{word}`" in SCHEMA


def test_keys_of_a_suite_are_told_with_no_other_beside_them(tmp_path: Path) -> None:
    file = tmp_path / "odd.toml"
    file.write_text('odd = 1\n[probes.x]\nkind = "tcp-rr"\n[[cell]]\nodd = 1\n')
    known = {
        key
        for problem in load_suite(str(file))[1]
        for listed in re.findall(r"known: ([\w, ]+)", problem)
        for key in listed.split(", ")
    }
    told = section(SUITES, "A suite of your own")

    assert set(re.findall(r"^\| `\[*(\w+)", told, re.MULTILINE)) == known | {"kind"}


def test_the_suite_that_is_shown_is_right(tmp_path: Path) -> None:
    whole, *parts = shown("suites.md", "toml")
    file = tmp_path / "mine.toml"

    for part in ("", *parts):
        file.write_text(whole + part)
        assert load_suite(str(file))[1] == []


def test_verdicts_and_stages_of_failure_are_explained() -> None:
    stages = get_args(get_type_hints(Failure)["stage"])

    for word in (*Verdict, *stages):
        assert f"`{word}`" in VERDICTS


def test_every_warning_is_listed() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "netbench/analysis").rglob("*.py"))
    given = set(re.findall(r"QualityWarning\(\s*\"([a-z-]+)\"", sources)) | set(STATUS)
    told = re.findall(r"^\| (`[^|]*`) \|", section(VERDICTS, "Warnings"), re.MULTILINE)

    assert {name for cell in told for name in re.findall(r"`([^`]+)`", cell)} == given


def test_sessions_are_those_of_the_noxfile() -> None:
    text = (ROOT / "noxfile.py").read_text()
    there = set(re.findall(r"^@nox\.session\ndef (\w+)", text, re.MULTILINE))
    there |= set(re.findall(r'^    "(\w+)": "', text, re.MULTILINE))

    assert set(rows(CONTRIBUTING.partition("\n## ")[0])) - {"nox"} == there


def test_layers_are_those_that_the_linter_enforces() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (layers,) = [found["layers"] for found in contracts["contracts"] if found["type"] == "layers"]

    drawn = section(CONTRIBUTING, "Map of the code").split("```text")[1].split("```")[0]
    assert [re.split(r" {2,}", line)[0] for line in drawn.strip().splitlines()] == layers


def test_the_map_of_the_code_is_made_from_the_imports() -> None:
    made = subprocess.run(
        (sys.executable, "docs/code_map.py", "--print"),
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    assert f"```mermaid\n{made.stdout}```" in CONTRIBUTING, "python docs/code_map.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = FENCE.sub("", page.read_text())
    relative = [link for link in LINK.findall(text) if not link.startswith("https://")]

    for link in relative:
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), f"{page.name} links to {link}"
        assert not anchor or anchor in slugs(target.read_text()), f"{page.name} links to {link}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_is_named_is_there(page: Path) -> None:
    text = page.read_text()
    named = set(FILE.findall(text)) - set(steps(text))

    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def steps(text: str) -> dict[str, str]:
    """Return new files of a worked example by the path named in the sentence before each."""
    return {
        name: body
        for name, kind, body in _steps(text)
        if kind == "python" and not (ROOT / name).exists()
    }


def _steps(text: str) -> Iterator[tuple[str, str, str]]:
    for block in BLOCK.finditer(text):
        yield FILE.findall(text[: block.start()])[-1], block[1], block[2]


def applied(text: str, diff: str) -> str:
    """Return a text with a diff's hunks carried out; each must fit in exactly one place."""
    for hunk in diff.split("@@\n"):
        lines = hunk.splitlines(keepends=True)
        old, new = ("".join(x[1:] for x in lines if x[0] in f" {sign}") for sign in "-+")
        assert text.count(old) == 1, f"the example's diff does not fit:\n{old}"
        text = text.replace(old, new)
    return text


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the code on which the steps of the two worked examples were done."""
    copy = tmp_path_factory.mktemp("extended")
    for name in ("netbench", "tests/support", "tests/golden/sessions/iperf3-3.18"):
        shutil.copytree(
            ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc")
        )
    for name in ("pyproject.toml", "tests/conftest.py"):
        shutil.copy(ROOT / name, copy / name)
    for name, kind, body in (*_steps(WRITE_A_DRIVER), *_steps(WRITE_A_PROBE)):
        file = copy / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(body if kind == "python" else applied(file.read_text(), body))
    return copy


def run(folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    """Run Python on the code in a folder, and no other."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        (sys.executable, *argv),
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=HANG,
    )


def test_the_examples_pass_their_own_tests(extended: Path) -> None:
    done = run(extended, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/unit")

    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^1\d passed", done.stdout, re.MULTILINE)


@pytest.mark.alone
@pytest.mark.parametrize("command", commands("extended"))
def test_the_examples_do_what_they_promise_on_this_kernel(extended: Path, command: str) -> None:
    reason = unavailable()
    if reason:
        require_or_skip("netns", reason)
    suite, _ = shown("write-a-probe.md", "toml")
    tables = (
        f"[probes.{name}]\nrounds = 4\nslice = 0.1\n" for name in ("tcp-throughput", "tcp-zerocopy")
    )
    short = "".join((suite, *tables)).replace('placement = "cross"', 'placement = "same"')
    (extended / "zerocopy.toml").write_text(short)
    program, *argv = shlex.split(command)

    suites = () if "--suite" in argv else ("--suite", "zerocopy.toml")
    more = ("--blocks", "1", *suites) if argv[0] == "run" else ()
    done = run(extended, "-m", program, *argv, "--engine", "netns", *more)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "broken:" not in done.stdout
