"""Build the reference from the code: commands, facts, probes, metrics, and the manual page.

In a page, what is built stands between two markers, `<!-- generated NAME -->` and `<!-- end -->`;
netbench.1 is built whole. With `--check` nothing is written, and a stale file is exit code 1.
"""

import csv
import dataclasses
import inspect
import json
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import typer

from netbench.cli import app
from netbench.cli.commands import COMMANDS
from netbench.facts.registry import FACTS
from netbench.probes import PROBES
from netbench.record import METRICS

DOCS = Path(__file__).parent
MANUAL = DOCS / "netbench.1"
MARKED = re.compile(r"(<!-- generated ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
FIELD = re.compile(r'^    (\w+): [^\n]*\n(?:    """(.*?)""")?', re.MULTILINE | re.DOTALL)


@dataclasses.dataclass(frozen=True, slots=True)
class Option:
    """An option as a reader needs it."""

    names: str
    """`--drivers LIST`."""
    default: str
    variable: str
    meaning: str


@dataclasses.dataclass(frozen=True, slots=True)
class Command:
    """A command as a reader needs it."""

    usage: str
    """`netbench report FOLDER`."""
    summary: str
    more: tuple[str, ...]
    """Paragraphs."""
    options: tuple[Option, ...]


def commands() -> tuple[Command, ...]:
    """Return every command, in the order of `netbench --help`."""
    root: Any = cast("Any", typer.main.get_command(app))
    return tuple(_command(name, root.get_command(None, name)) for name in COMMANDS)


def general() -> tuple[Option, ...]:
    """Return the options of netbench itself."""
    return _options(cast("Any", typer.main.get_command(app)))


def _command(name: str, command: Any) -> Command:
    arguments = [_value(p) for p in command.params if not _is_option(p)]
    summary, *more = (
        " ".join(part.split()) for part in inspect.cleandoc(command.help).split("\n\n")
    )
    usage = " ".join(["netbench", name, *arguments])
    return Command(usage, summary, tuple(more), _options(command))


def _options(command: Any) -> tuple[Option, ...]:
    return tuple(_option(option) for option in command.params if _is_option(option))


def _option(option: Any) -> Option:
    names = ", ".join(option.opts + option.secondary_opts)
    if not option.is_flag:
        names += f" {_value(option)}"
    default = "" if option.default in (None, False) else str(option.default)
    return Option(names, default, option.envvar or "", option.help)


def _is_option(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "option")


def _value(parameter: Any) -> str:
    """Return what stands for a parameter's value, `DIR`."""
    name = parameter.metavar or parameter.name.upper()
    return f"{name}..." if parameter.nargs == -1 else str(name)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table in Markdown."""
    lines = [list(head)]
    lines += [["---"] * len(lines[0]), *(list(row) for row in rows)]
    return "".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines
    )


def code(text: str) -> str:
    """Return text as code in Markdown; nothing of nothing."""
    return f"`{text}`" if text else ""


def reference() -> str:
    """Return the commands with their options."""
    return "\n".join(_section(command) for command in commands())


def _section(command: Command) -> str:
    parts = [f"## `{command.usage}`\n", *(f"{text}\n" for text in (command.summary, *command.more))]
    if command.options:
        rows = [(code(o.names), code(o.default), o.meaning) for o in command.options]
        parts.append(table(("option", "default", "meaning"), rows))
    return "\n".join(parts)


RUN = ("netbench", "plan", "probe", "tool", "helper", "path")
"""Parts of the registry that stand in one table."""


def facts(*parts: str) -> str:
    """Return the facts of parts of the registry, `host`."""
    rows = (
        (code(fact.name), fact.type.__name__, fact.unit, fact.match, fact.meaning)
        for fact in FACTS.values()
        if fact.name.partition(".")[0] in parts
    )
    return table(("fact", "type", "unit", "match", "meaning"), rows)


def probes() -> str:
    """Return the probes with their tool and metrics."""
    rows = (
        (code(name), kind.tool, kind.summary, ", ".join(code(metric) for metric in kind().metrics))
        for name, kind in PROBES.items()
    )
    return table(("probe", "tool", "what it measures", "metrics, the leading one first"), rows)


def metrics() -> str:
    """Return the metrics with their units."""
    rows = (
        (code(m.name), m.unit, m.title, m.better, "yes" if m.compared else "shown without a ratio")
        for m in METRICS.values()
    )
    return table(("metric", "unit", "meaning", "better", "compared"), rows)


def parameters() -> str:
    """Return the parameters of every probe."""
    return "\n".join(
        f"**`{name}`**\n\n{table(('parameter', 'default', 'meaning'), _parameters(kind))}"
        for name, kind in PROBES.items()
    )


def _parameters(kind: Any) -> Iterator[tuple[str, str, str]]:
    told = {
        name: " ".join(text.split())
        for owner in reversed(kind.__mro__[:-1])
        if dataclasses.is_dataclass(owner)
        for name, text in FIELD.findall(inspect.getsource(owner))
    }
    for field in dataclasses.fields(kind):
        yield code(field.name), _toml(field.default), told[field.name]


def _toml(value: object) -> str:
    if value is None:
        return ""
    return code(f'"{value}"' if isinstance(value, str) else str(value).lower())


MEASURES = (
    ("round trip on one core, container to container", "tcp-rr", "same", "rtt_p50", "east-west"),
    ("round trip on one core, from the LAN", "tcp-rr", "same", "rtt_p50", "north-south"),
    (
        "throughput on two cores, container to container",
        *("tcp-throughput", "cross", "throughput", "east-west"),
    ),
    (
        "throughput on two cores, from the LAN",
        "tcp-throughput",
        "cross",
        "throughput",
        "north-south",
    ),
)
"""What of the sample run stands in a page: its heading, and the key of its rows."""
EXAMPLES = (("bridge", 0), ("macvlan:bridge", 0), ("container", 0), ("container", 2))
"""Driver and measure."""


def sample() -> dict[tuple[str, ...], dict[str, str]]:
    """Return the rows of the sample run's contrasts and cells, by driver and measure."""
    with (DOCS.parent / "reports" / "sample" / "summary.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    key = ("driver", "probe", "placement", "metric", "path")
    return {tuple(row[name] for name in key): row for row in rows}


def costs() -> str:
    """Return what each driver of the sample run costs."""
    rows = sample()
    drivers = dict.fromkeys(key[0] for key, row in rows.items() if row["ratio"])
    lines = ((code(d), *(_cost(rows.get((d, *m[1:]))) for m in MEASURES)) for d in drivers)
    return table(("driver", *(measure[0] for measure in MEASURES)), lines)


def _cost(row: dict[str, str] | None) -> str:
    if row is None or not row["ratio"]:
        return "closed by design" if row and row["failures"] == "0" else "not measured"
    return f"{float(row['ratio']):.2f} {_interval(row)} {row['verdict']}"


def _interval(row: dict[str, str]) -> str:
    return f"[{float(row['low']):.2f}, {float(row['high']):.2f}]"


def examples() -> str:
    """Return a few contrasts of the sample run."""
    rows = sample()
    lines = []
    for driver, number in EXAMPLES:
        title, *key = MEASURES[number]
        row = rows[(driver, *key)]
        ratio = f"{float(row['ratio']):.2f}"
        lines.append((code(driver), title, ratio, _interval(row), row["verdict"], row["blocks"]))
    return table(("driver", "measure", "ratio", "interval", "verdict", "blocks"), lines)


SEEN = {
    "container to pair": "container to container",
    "LAN to pair": "LAN to the container's own address",
    "LAN to published port": "LAN to a published port",
    "container to published port": "container to a published port (hairpin)",
    "host to published port": "host to a published port",
}
"""Paths of `client_addresses.json` with their headings."""
OF_WHOM = {"own": "the client's", "host": "**the host's**", "other": "another"}


def clients() -> str:
    """Return at whose address the server saw its client, by driver and path."""
    kept = json.loads((DOCS / "client_addresses.json").read_text())
    rows = (
        (code(driver), *(_seen(paths.get(path, {})) for path in SEEN))
        for driver, paths in kept["seen"].items()
    )
    return f"{table(('driver', *SEEN.values()), rows)}\nMeasured on {kept['engine']}.\n"


def _seen(kinds: dict[str, str]) -> str:
    """Return `the client's (IPv4); the host's (IPv6)`, by kinds of connect such as `tcp4`."""
    families = {"IPv4": ("tcp4", "udp4"), "IPv6": ("tcp6", "udp6")}
    whose = {
        name: " / ".join(dict.fromkeys(OF_WHOM[kinds[kind]] for kind in own if kind in kinds))
        for name, own in families.items()
    }
    found: dict[str, list[str]] = {}
    for name, words in whose.items():
        if words:
            found.setdefault(words, []).append(name)
    return "; ".join(f"{words} ({', '.join(names)})" for words, names in found.items()) or "-"


PAGES = {
    "choose.md": {"clients": clients},
    "cli.md": {"commands": reference},
    "drivers.md": {"costs": costs},
    "reading.md": {"examples": examples},
    "facts.md": {
        part: (lambda part=part: facts(part))
        for part in dict.fromkeys(name.partition(".")[0] for name in FACTS)
        if part not in RUN
    }
    | {"run": lambda: facts(*RUN)},
    "suites.md": {"probes": probes, "metrics": metrics, "parameters": parameters},
}
"""By page, what makes the text between each pair of its markers."""


def manual() -> str:
    """Return the manual page, for man(1)."""
    found = commands()
    parts = [
        '.TH NETBENCH 1 "" "netbench" "User Commands"',
        ".SH NAME",
        "netbench \\- measure what a container network driver costs, and prove what it isolates",
        ".SH SYNOPSIS",
        *(f".B {roff(command.usage)}\n[\\fIoptions\\fR]\n.br" for command in found),
        ".SH COMMANDS",
        *(line for command in found for line in _manual_command(command)),
        ".SH GENERAL OPTIONS",
        *(line for option in general() for line in _manual_option(option)),
        ".SH EXIT STATUS",
        *(f".TP\n.B {number}\n{roff(meaning)}" for number, meaning in exit_codes()),
        MANUAL_END.strip(),
    ]
    return "\n".join(parts) + "\n"


def exit_codes() -> list[tuple[str, str]]:
    """Return each exit code and its meaning, as the page of commands has them."""
    return re.findall(r"^\| (\d+) \| (.*) \|$", (DOCS / "cli.md").read_text(), re.MULTILINE)


def _manual_command(command: Command) -> Iterator[str]:
    yield f".SS {roff(command.usage)}"
    yield roff(command.summary)
    for text in command.more:
        yield f".PP\n{roff(text)}"
    for option in command.options:
        yield from _manual_option(option)


def _manual_option(option: Option) -> Iterator[str]:
    names, _, value = option.names.partition(" ")
    yield f".TP\n\\fB{roff(names)}\\fR" + (f" \\fI{roff(value)}\\fR" if value else "")
    default = f" Default: {roff(option.default)}." if option.default else ""
    variable = f" Variable: {option.variable}." if option.variable else ""
    yield f"{roff(option.meaning)}{default}{variable}"


def roff(text: str) -> str:
    """Return text for troff: code is bold, and what troff would read is no command."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    text = re.sub(r"`([^`]*)`", r"\\fB\1\\fR", text)
    return re.sub(r"^([.'])", r"\\&\1", text, flags=re.MULTILINE)


MANUAL_END = r"""
.SH ENVIRONMENT
.TP
.B NETBENCH_*
The options of \fBnetbench run\fR, as told with each.
.TP
.BR DOCKER_HOST ", " DOCKER_CONTEXT
Which Docker Engine is used, as for docker(1).
.SH FILES
.TP
.I reports/
Where run folders are written, unless \fB\-\-output\fR says otherwise. A folder holds run.json,
records.jsonl, raw/, report.html, summary.md and summary.csv.
.SH EXAMPLES
.TP
.B netbench run \-\-drivers host,bridge
Compare the default bridge with the host's network, in about three minutes.
.TP
.B netbench verify \-\-drivers bridge,macvlan
Check what two drivers promise, by real connects.
.SH SEE ALSO
.BR iperf3 (1),
.BR sockperf (3),
.BR ip (8),
.BR namespaces (7)
"""


def filled(page: str, parts: dict[str, Any]) -> str:
    """Return a page with every marked part built anew."""
    return MARKED.sub(lambda match: match[1] + parts[match[2]]() + match[3], page)


def main() -> None:
    """Write what is stale, or with `--check` only tell it."""
    built = {MANUAL: manual()}
    for name, parts in PAGES.items():
        built[DOCS / name] = filled((DOCS / name).read_text(), parts)
    stale = [path for path, text in built.items() if not path.exists() or path.read_text() != text]
    if "--check" in sys.argv[1:]:
        names = ", ".join(path.name for path in stale)
        sys.exit(f"{names} stale: python docs/generate.py" if stale else 0)
    for path in stale:
        path.write_text(built[path])


if __name__ == "__main__":
    main()
