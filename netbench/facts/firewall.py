"""The nftables ruleset of the host: how many rules, and whether they are the same as before."""

import hashlib
import json
import shutil
import subprocess

from netbench.errors import FactError
from netbench.record import Absent, FactValue

_COUNTERS = ("packets", "bytes", "handle")


def firewall_facts() -> dict[str, FactValue]:
    """Return rule count and hash of the calling thread's network namespace.

    iptables of today keeps its rules there too; rules of the older x_tables are not seen.
    """
    names = ("net.firewall_rules", "net.firewall_hash")
    tool = shutil.which("nft")
    if tool is None:
        return dict.fromkeys(names, Absent("nft is not installed"))
    try:
        done = subprocess.run(
            [tool, "-j", "list", "ruleset"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        return dict.fromkeys(names, Absent(f"nft: {exc}"))
    if done.returncode != 0:
        return dict.fromkeys(names, Absent(f"nft: {done.stderr.strip()[:120]}"))
    try:
        count, digest = ruleset(done.stdout)
    except FactError as exc:
        return dict.fromkeys(names, Absent(exc.message))
    return {"net.firewall_rules": count, "net.firewall_hash": digest}


def ruleset(text: str) -> tuple[int, str]:
    """Return the number of rules in what `nft -j list ruleset` prints, and their hash.

    Raises:
        FactError: it is not that command's output.
    """
    try:
        items = json.loads(text)["nftables"]
        rules = [item["rule"] for item in items if "rule" in item]
        plain = json.dumps([_without_counters(rule) for rule in rules], sort_keys=True)
    except (ValueError, RecursionError, LookupError, TypeError) as exc:
        raise FactError(f"unreadable output of nft: {exc!r} in {text[:120]!r}") from exc
    return len(rules), hashlib.sha256(plain.encode()).hexdigest()[:16]


def _without_counters(value: object) -> object:
    if isinstance(value, dict):
        return {k: _without_counters(v) for k, v in value.items() if k not in _COUNTERS}
    if isinstance(value, list):
        return [_without_counters(item) for item in value]
    return value
