"""The nftables ruleset of the host: how many rules, and whether they are the same as before."""

import hashlib
import json
import shutil
import subprocess

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
    done = subprocess.run(
        [tool, "-j", "list", "ruleset"], capture_output=True, text=True, timeout=10, check=False
    )
    if done.returncode != 0:
        return dict.fromkeys(names, Absent(f"nft: {done.stderr.strip()[:120]}"))
    items = json.loads(done.stdout)["nftables"]
    rules = [item["rule"] for item in items if "rule" in item]
    text = json.dumps([_without_counters(rule) for rule in rules], sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return {"net.firewall_rules": len(rules), "net.firewall_hash": digest}


def _without_counters(value: object) -> object:
    if isinstance(value, dict):
        return {k: _without_counters(v) for k, v in value.items() if k not in _COUNTERS}
    if isinstance(value, list):
        return [_without_counters(item) for item in value]
    return value
