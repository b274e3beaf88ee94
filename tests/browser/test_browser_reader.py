"""A reader who has nothing but the page, with scripts off: is every question answered in it?"""

import re
from typing import Any

import pytest
from support.browsing import Look, Site, count, opened, texts, with_evidence


@pytest.fixture(scope="module")
def page(browser: Any, site: Site) -> Any:
    return with_evidence(opened(browser, site.address, Look(scripts=False)))


def section(page: Any, name: str) -> str:
    """Follow the contents to a section and return what stands there."""
    links = page.find_elements("css selector", f".contents a[href='#{name}']")
    assert len(links) == 1, f"the contents have no link to {name}"
    (text,) = texts(page, f"#{name}")
    return text


def test_what_was_run(page: Any) -> None:
    assert texts(page, "h1") == ["none, bridge, bridge:user and container against host"]
    assert "suite quick, 8 blocks, 144 records" in texts(page, ".where")[0]


def test_on_what_it_was_run(page: Any) -> None:
    assert "AMD EPYC 7B13, 2 CPUs, virtual machine" in texts(page, ".where")[0]
    environment = section(page, "environment")
    for fact in ("6.12.41+deb13-amd64", "docker 26.1.5", "iperf 3.18", "cubic"):
        assert fact in environment


def test_the_commands_and_the_seed(page: Any) -> None:
    commands = section(page, "commands")

    assert "netbench run --drivers none,host,bridge,bridge:user,container" in commands
    assert "--seed 1" in commands
    assert "iperf3 -J -s -1 -p PORT" in commands
    assert "sockperf pp -i 1" in commands


def test_which_links_carried_the_bytes(page: Any) -> None:
    path = section(page, "path")
    hops = texts(page, "#path tbody tr[data-driver=bridge]")

    assert count(page, "#path svg.path") == 5
    assert any(re.search(r"eth0 \(2\)\s+veth", hop) for hop in hops)
    assert any("docker0" in hop for hop in hops)
    assert any(re.search(r"\d+(\.\d+)? [GMk]?B", hop) for hop in hops)
    assert "✓ in all" in path


def test_how_sure_each_verdict_is(page: Any) -> None:
    assert texts(page, ".stamp strong") == ["! Valid with conditions."]
    row = texts(page, "#contrast-bridge-east-west-tcp-rr-same-rtt_p50")[0]

    assert re.search(r"1\.\d{3} \[1\.\d{3}, 1\.\d{3}\]", row)
    assert re.search(r"\d+ to \d+ % slower", row)
    assert "95 % for this one alone [1." in row
    assert "95 %, shared by all 9 comparisons" in section(page, "answer")
    assert "noise floor" in section(page, "measures")
    assert "share an error rate of 5 %" in section(page, "method")


def test_what_each_driver_isolates(page: Any) -> None:
    answer = section(page, "answer")

    assert "interfaces, ports and addresses; from outside only published ports" in answer
    assert "isolated by design" in answer
    assert "no path" in section(page, "paths")
    assert "own" in section(page, "namespaces")


def test_what_would_change_the_verdict(page: Any) -> None:
    assert "Fixed plan: 8 blocks as was asked" in texts(page, ".ending")[0]
    advice = [text for text in texts(page, ".advice") if text.startswith("What to do: ")]

    assert advice
    assert len(advice) == len(texts(page, "#warnings li"))
    assert "Nothing is said of placements other than" in section(page, "meaning")


def test_every_word_that_needs_it_is_explained(page: Any) -> None:
    glossary = section(page, "glossary")

    for term in ("Baseline", "Block", "Noise floor", "Placement", "Sentinel", "Session", "Slice"):
        assert term in glossary
