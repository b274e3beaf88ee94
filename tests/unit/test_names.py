"""One word for one thing: names of classes and modules, and the glossary of CONTRIBUTING.md."""

import ast
import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "netbench").rglob("*.py"))
GLOSSARY = re.findall(
    r"^\| ([\w/ ]+) \| ",
    (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## Glossary")[2],
    re.MULTILINE,
)[1:]
FIELD = {  # fmt: skip
    "addressing", "allocator", "analysis", "answer", "api", "base", "boundary", "bounds",
    "bridge", "bridges", "build", "bytes", "cgroups", "chain", "charts", "check", "checks",
    "choose", "clean", "cli", "client", "clock", "cni", "columns", "commands", "compare",
    "completion", "conditions", "confinement", "conflist", "connections", "connects",
    "conntrack", "console", "container", "control", "cost", "costs", "counts", "cpu", "cpus",
    "cycles", "data", "datagrams", "derived", "differences", "docker", "doctor", "document",
    "documents", "drawing", "drift", "env", "errors", "eta", "events", "exec", "export",
    "exports", "extend", "factory", "feasibility", "figures", "files", "firewall", "folders",
    "foreign", "forest", "frame", "frequency", "glossary", "groups", "histogram", "holder",
    "host", "html", "identity", "image", "index", "info", "inside", "inspect", "interrupts",
    "iperf3", "iproute", "ipvlan", "isolation", "journal", "judge", "key", "kinds", "labels",
    "ladders", "latency", "launcher", "launchers", "leftovers", "lifecycle", "limits", "link",
    "links", "lists", "literature", "loads", "local", "log", "long", "loss", "machine",
    "macvlan", "madr", "marks", "measure", "model", "mtu", "multiplicity", "namespace",
    "netlink", "netns", "netperf", "network", "networks", "none", "observations", "observed",
    "openmetrics", "options", "order", "outcome", "output", "overlay", "overview", "owner",
    "ownership", "paced", "page", "palette", "parent", "picture", "pipeline", "placement",
    "places", "plane", "plot", "plugin", "port", "ports", "prepared", "problems", "process",
    "procfs", "programs", "progress", "proxies", "proxy", "publishing", "quality", "ranking",
    "rate", "ratio", "ratios", "readers", "reading", "recording", "redaction", "registry",
    "report", "reporting", "request", "restore", "result", "resume", "resumed", "routes",
    "rtnl", "rule", "rules", "runner", "runs", "samples", "saturation", "scales", "schemas",
    "scope", "script", "search", "searches", "sections", "sentences", "series", "servers",
    "setns", "settings", "setup", "sharing", "shell", "shells", "sockperf", "spawner", "spec",
    "split", "state", "static", "stats", "stopping", "store", "stream", "strerror", "subnets",
    "summary", "sums", "support", "swarm", "system", "table", "tables", "tcp", "text",
    "threads", "time", "timeline", "toml", "tools", "topology", "traces", "tradeoff", "trips",
    "tunnel", "udp", "units", "userns", "validity", "variants", "verify", "version", "veth",
    "vxlan", "warnings", "welch", "wiring", "worker", "workflow", "writing",
}
"""The field's own words: of networks, of Docker and Linux, of statistics, of programs."""


def test_public_classes_have_names_of_their_own() -> None:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for path in SOURCES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].append(str(path.relative_to(ROOT)))

    assert {name: paths for name, paths in found.items() if len(paths) > 1} == {}


def test_the_glossary_is_short_and_sorted() -> None:
    assert 20 < len(GLOSSARY) <= 40
    assert sorted(GLOSSARY, key=str.lower) == GLOSSARY


def test_modules_are_named_by_the_fields_words_and_the_glossarys() -> None:
    terms = {word for term in GLOSSARY for word in term.lower().split()}
    known = FIELD | terms | {f"{word}s" for word in terms}
    words = {
        (word, str(path.relative_to(ROOT)))
        for path in SOURCES
        for part in path.relative_to(ROOT).with_suffix("").parts[1:]
        if not part.startswith("__")
        for word in part.split("_")
    }

    assert sorted(pair for pair in words if pair[0] not in known) == []
