"""The steps of a composite action, run in order as a runner of GitHub's does it, by a real shell.

Of its expression language there is what `action.yml` may use: a name between `${{ }}` in a value,
and in a condition `always()` and comparisons with a text, joined by `&&`.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from support.hang import HANG

NAMED = re.compile(r"\$\{\{ ([\w.-]+) \}\}")
COMPARED = re.compile(r"([\w.-]+) (==|!=) '(\w*)'")
OUTSIDE = re.compile(r"NETBENCH_(?!PYTHON)|GITHUB_|VIRTUAL_ENV|PYTHONPATH|DOCKER_HOST|CI_")


def surroundings() -> dict[str, str]:
    """Return the environment without this checkout's, and without what a job is told by."""
    kept = {name: value for name, value in os.environ.items() if not OUTSIDE.match(name)}
    mine = str(Path(os.environ.get("VIRTUAL_ENV", "/nowhere")) / "bin")
    venv = str(Path(__file__).parents[2] / ".venv" / "bin")
    paths = kept["PATH"].split(":")
    return {**kept, "PATH": ":".join(path for path in paths if path not in {mine, venv})}


@dataclass
class Job:
    """A job with one step, which uses the action."""

    action: dict[str, Any]
    folder: Path
    env: Mapping[str, str]
    inputs: dict[str, str]
    uses: Callable[[str, dict[str, str]], dict[str, str]]
    """What stands in for the actions that a step uses: by name and inputs to outputs."""
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    ran: dict[str, subprocess.CompletedProcess[str] | None] = field(default_factory=dict)
    failed: bool = False

    @classmethod
    def of(
        cls,
        path: Path,
        folder: Path,
        env: Mapping[str, str],
        given: Mapping[str, str],
        uses: Callable[[str, dict[str, str]], dict[str, str]],
    ) -> "Job":
        """Return a job that gives the action some inputs, and defaults for the rest."""
        action = yaml.safe_load((path / "action.yml").read_text())
        assert set(given) <= set(action["inputs"])
        inputs = {name: one["default"] for name, one in action["inputs"].items()} | dict(given)
        files = ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")
        own = {name: str(folder / name.lower()) for name in files}
        more = {"RUNNER_TEMP": str(folder), "GITHUB_ACTION_PATH": str(path)}
        return cls(action, folder, {**env, **own, **more}, inputs, uses)

    def value(self, name: str) -> str:
        """Return what a name of an expression stands for; empty where there is nothing."""
        match name.split("."):
            case ["inputs", key]:
                return self.inputs[key]
            case ["steps", step, "outputs", key]:
                return self.outputs.get(step, {}).get(key, "")
        raise AssertionError(f"no such value: {name}")

    def filled(self, text: str) -> str:
        """Return a text with its expressions replaced."""
        return NAMED.sub(lambda match: self.value(match[1]), str(text))

    def wanted(self, step: Mapping[str, Any]) -> bool:
        """Tell whether a step is run."""
        conditions = step.get("if", "").split(" && ") if "if" in step else []
        if self.failed and "always()" not in conditions:
            return False
        for condition in conditions:
            if condition != "always()":
                match = COMPARED.fullmatch(condition)
                assert match, condition
                name, sign, text = match.groups()
                if (self.value(name) == text) != (sign == "=="):
                    return False
        return True

    def run(self, *names: str) -> "Job":
        """Run the steps, or those of some names as if what lies between had been run."""
        for step in self.action["runs"]["steps"]:
            if (not names or step["name"] in names) and self.wanted(step):
                if "uses" in step:
                    given = {name: self.filled(text) for name, text in step["with"].items()}
                    self.outputs[step["id"]] = self.uses(step["uses"], given)
                    self.ran[step["name"]] = None
                else:
                    self.shell(step)
        return self

    def shell(self, step: Mapping[str, Any]) -> None:
        """Run one script as the runner calls bash, and read what it puts out."""
        assert step["shell"] == "bash"
        output, script = Path(self.env["GITHUB_OUTPUT"]), self.folder / "script.sh"
        output.write_text("")
        script.write_text(step["run"])
        done = subprocess.run(
            (shutil.which("bash") or "bash", "--noprofile", "--norc", "-eo", "pipefail", script),
            cwd=self.folder,
            env={**self.env, **{n: self.filled(text) for n, text in step.get("env", {}).items()}},
            capture_output=True,
            text=True,
            check=False,
            timeout=HANG,
        )
        lines = [line.partition("=") for line in output.read_text().splitlines()]
        self.outputs[step.get("id", step["name"])] = {name: text for name, _, text in lines}
        self.ran[step["name"]] = done
        self.failed = self.failed or done.returncode != 0

    def result(self, name: str) -> str:
        """Return an output of the action."""
        return self.filled(self.action["outputs"][name]["value"])
