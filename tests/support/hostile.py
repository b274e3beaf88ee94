"""A run folder in which every name, address and tool output is an attack on who reads it."""

import itertools
import json
import re
from pathlib import Path
from typing import Any

from support.synthetic import Run, run_of

from netbench.drivers import DRIVERS
from netbench.facts.registry import FACTS
from netbench.record import METRICS, Redaction
from netbench.store import RECORDS, RunFolder

MARK = "pwned"
"""What every attack would leave behind if one worked."""
ATTACKS = (
    "<script>window.pwned=1</script>",
    '"><img src=x onerror=window.pwned=1>',
    "</script><script>window.pwned=1</script>",
    "<!--<script>window.pwned=1",
    "'onmouseover=window.pwned=1 x='",
    "javascript:window.pwned=1",
    '=HYPERLINK("http://pwned.example")',
    "+pwned|' /C calc'!A0",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(pwned)",
    "\t=pwned",
    "\r\n=pwned",
    "| pwned | table |\n|---|---|\n# pwned heading",
    "[pwned](javascript:alert(1)) ![x](http://pwned.example/x.png)",
    "``` pwned\n> pwned",
    "\x1b]0;pwned\x07\x1b[2J\x1b[31mpwned",
    "\x9b31mpwned\x9d0;pwned\x9c",
    "\u202edenwp\u202c\u2066pwned",
    "[bold red]pwned[/] :skull: [/nothing]",
    "{{ 7*7 }}{% raw %}pwned",
    "pwned\x00pwned\x7f\x08",
    'pwned"} 1\n# EOF\npwned{x="',
    "пwned-漢字-" + "x" * 300,
)
_KEPT_KEYS = frozenset(
    {
        *("baseline", "created", "drivers", "finished", "id", "kind", "metric", "metrics"),
        *("path", "placement", "role", "schema", "seed", "started", "status", "stdout_file"),
        *("suite", "unit", "method", "counted", "reader", "why", "version", "node"),
    }
)
"""Fields whose values are the schema's own words, or that tie one record to another."""
_WORDS = frozenset((*FACTS, *METRICS, *DRIVERS, "host", "client", "server"))


def write_hostile_run(parent: Path, blocks: int = 6) -> Path:
    """Write a run folder whose every free text attacks; equal texts attack equally."""
    run = run_of(blocks=blocks)
    attacks = itertools.cycle(ATTACKS)
    known: dict[str, str] = {}

    def attack(text: str) -> str:
        return known.setdefault(text, f"{next(attacks)}{text}{ATTACKS[0]}{ATTACKS[15]}")

    def hostile(value: Any, key: str = "") -> Any:
        if isinstance(value, str):
            return value if key in _KEPT_KEYS or not value or value in _WORDS else attack(value)
        if isinstance(value, list):
            return [hostile(one, key) for one in value]
        if isinstance(value, dict):
            keep = key == "cell" or value.keys() >= {"driver", "path", "probe", "placement"}
            return value if keep else {k: hostile(one, k) for k, one in value.items()}
        return value

    return _rewritten(parent, run, hostile)


def _rewritten(parent: Path, run: Run, change: Any) -> Path:
    folder = RunFolder.create(parent, run.info.plan.drivers, run.info, Redaction())
    for record in run.records:
        folder.append(record)
    for path in (folder.path / "run.json", folder.path / RECORDS):
        lines = [path.read_text()] if path.suffix == ".json" else path.read_text().splitlines()
        changed = [json.dumps(change(json.loads(line)), ensure_ascii=False) for line in lines]
        path.write_text("\n".join(changed) + "\n")
    return folder.path


def with_hostile_names(path: Path) -> dict[str, str]:
    """Rename the drivers and probes of a run folder to attacks; return the new names by old."""
    names = ["bridge", "bridge:user", "container", "none", "tcp-throughput", "tcp-rr"]
    renamed = {
        name: f"{attack}{name}"
        for name, attack in zip(names, ATTACKS[:3] + ATTACKS[6:], strict=False)
    }

    def change(value: Any, key: str = "") -> Any:
        if isinstance(value, str):
            return renamed.get(value, value) if key not in {"counted", "method"} else value
        if isinstance(value, list):
            return [change(one, key) for one in value]
        if isinstance(value, dict):
            return {name: change(one, name) for name, one in value.items()}
        return value

    for file in (path / "run.json", path / RECORDS):
        lines = [file.read_text()] if file.suffix == ".json" else file.read_text().splitlines()
        file.write_text("\n".join(json.dumps(change(json.loads(line))) for line in lines) + "\n")
    return renamed


def uncontrolled(text: str) -> str:
    """Return what a terminal would obey or turn around, colours of the program's own apart."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    return "".join(sorted({c for c in plain if not (c.isprintable() or c == "\n")}))
