from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.synthetic import reported

from netbench.analysis.digest_model import WayView
from netbench.report.drawing import drawing

RUN = reported()


def view(driver: str) -> WayView:
    found = RUN.digest.view(driver)
    assert found is not None
    return found.ways[0]


def texts(picture: str) -> list[str]:
    root = ET.fromstring(picture)  # noqa: S314 - our own drawing
    return ["".join(element.itertext()) for element in root.iter("text")]


@pytest.mark.parametrize("driver", ["bridge", "bridge:user"])
def test_every_hop_of_a_bridge_is_drawn_from_client_to_server(driver: str) -> None:
    found = view(driver)
    assert found.example is not None
    assert found.example.path is not None

    shown = texts(drawing(found))
    names = [hop.link for hop in found.example.path.hops]

    assert len(names) == 5
    assert [text for text in shown if text in names] == names
    assert sum(" received" in text for text in shown) == 2
    assert sum(text.endswith(" sent") for text in shown) == 2
    assert sum("the kernel counts nothing here" in text for text in shown) == 1


def test_namespaces_that_are_one_are_one_box() -> None:
    assert texts(drawing(view("host"))).count("client, server and host") == 1
    assert texts(drawing(view("container"))).count("client and server") == 1


def test_isolation_is_two_boxes_with_nothing_between() -> None:
    shown = texts(drawing(view("none")))

    assert [text for text in shown if text in {"client", "server"}] == ["client", "server"]
    assert any("no link between them" in text for text in shown)


@given(st.text(min_size=1, max_size=60))
def test_any_name_of_a_link_leaves_the_drawing_well_formed(name: str) -> None:
    found = view("bridge")
    assert found.example is not None
    assert found.example.path is not None
    hops = tuple(replace(hop, link=name, master=name) for hop in found.example.path.hops)
    path = replace(found.example.path, hops=hops)

    picture = drawing(replace(found, example=replace(found.example, path=path)))

    assert len(texts(picture)) == 5 * 3 + 3 * 2


def test_what_was_never_read_is_not_drawn() -> None:
    found = view("bridge")
    assert found.example is not None

    assert drawing(replace(found, example=None)) == ""
    assert drawing(replace(found, example=replace(found.example, path=None))) == ""
