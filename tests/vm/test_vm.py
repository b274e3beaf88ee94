"""ipvlan under another kernel, on a real Docker Engine and on namespaces alone."""

from typing import Any

import pytest
from support.vm import Results

IPVLANS = ("ipvlan:l2", "ipvlan:l3", "ipvlan:l3s")
PATHS = {"east-west", "north-south"}
ENGINES = ("docker", "netns")


def cells(found: list[dict[str, Any]]) -> set[tuple[str, str]]:
    return {(r["cell"]["driver"], r["cell"]["path"]) for r in found}


def complaints(found: list[dict[str, Any]]) -> list[str]:
    """Return what did not come out as a sample."""
    return [
        f"{r['cell']['driver']} {r['cell']['path']} {r['cell']['probe']}: {r['outcome']}"
        for r in found
        if r["outcome"]["kind"] != "sample"
    ]


@pytest.mark.parametrize("engine", ENGINES)
def test_ipvlan_is_measured_on_both_paths(guest: Results, engine: str) -> None:
    found = guest.records(f"{engine}-run")

    assert complaints(found) == []
    assert cells(found) == {(name, path) for name in IPVLANS for path in PATHS}
    assert guest[f"{engine}-run"].code == 0, guest[f"{engine}-run"].stderr
    assert guest[f"{engine}-run"].json["engine"] == engine


@pytest.mark.parametrize("engine", ENGINES)
def test_every_path_is_proved_and_every_promise_held(guest: Results, engine: str) -> None:
    found = guest.records(f"{engine}-run")

    for record in found:
        assert all(check["held"] for check in record["promises"]), record["promises"]
        if record["outcome"]["kind"] == "sample":
            assert record["path"]["held"], record["path"]


@pytest.mark.parametrize("engine", ENGINES)
def test_the_path_names_the_mode_of_ipvlan(guest: Results, engine: str) -> None:
    for record in guest.records(f"{engine}-run"):
        kind, _, mode = record["cell"]["driver"].partition(":")
        if kind == "ipvlan":
            ends = [hop for hop in record["path"]["hops"] if hop["kind"] == "ipvlan"]
            assert ends
            assert {hop["mode"] for hop in ends} == {mode}


@pytest.mark.parametrize("engine", ENGINES)
def test_verify_finds_ipvlan_as_promised(guest: Results, engine: str) -> None:
    ended = guest[f"{engine}-verify"]

    document = ended.json
    assert document["skipped"] == []
    assert [row for row in document["promises"] if not row["held"]] == []
    promised = [row for row in document["rows"] if row["promised"] != "unspecified"]
    assert [row for row in promised if row["measured"] not in {row["promised"], "skip"}] == []
    assert {row["driver"] for row in document["promises"]} == {"ipvlan:l2"}
    assert document["mismatches"] == 0
    assert ended.code == 0, ended.stderr


@pytest.mark.parametrize("engine", ENGINES)
def test_ipvlan_l2_reaches_the_lan_and_not_its_own_host(guest: Results, engine: str) -> None:
    def measured(start: str, end: str) -> set[str]:
        return {
            row["measured"]
            for row in guest[f"{engine}-verify"].json["rows"]
            if (row["driver"], row["from"], row["to"]) == ("ipvlan:l2", start, end)
            and row["family"] == 4
        }

    assert measured("container", "host") == {"no-reach"}
    assert measured("container", "LAN") == {"reach"}
    assert measured("container", "pair") == {"reach"}


def test_nothing_is_left(guest: Results) -> None:
    before, after = (guest[name].stdout.splitlines() for name in ("before", "after"))

    assert [line for line in after if line not in before] == []
