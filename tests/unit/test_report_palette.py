import re
from importlib.resources import files

import pytest

from netbench.drivers import DRIVERS as DRIVER_TABLE
from netbench.report.palette import BASELINE, DRIVERS, PAPER, THEMED, driver_colours

CSS = files("netbench.report").joinpath("templates", "page.css").read_text(encoding="utf-8")
TEXTS = [
    ("ink", "paper"),
    ("quiet", "paper"),
    ("even", "paper"),
    ("ink", "raised"),
    ("quiet", "raised"),
    ("ink", "open-wash"),
    ("ink", "bad-wash"),
    *((tone, f"{tone}-wash") for tone in ("good", "bad", "even", "open")),
    *((tone, "paper") for tone in ("good", "bad", "open")),
]


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def themes() -> list[dict[str, str]]:
    blocks = re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)
    return [dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block)) for block in blocks]


@pytest.mark.parametrize("colour", [BASELINE, *DRIVERS])
def test_a_driver_can_be_seen_on_both_pages(colour: object) -> None:
    assert contrast(colour.light, PAPER.light) >= 3
    assert contrast(colour.dark, PAPER.dark) >= 3


@pytest.mark.parametrize(("text", "ground"), TEXTS)
def test_text_reaches_wcag_aa_in_light_and_dark(text: str, ground: str) -> None:
    light, dark = themes()

    assert contrast(light[text], light[ground]) >= 4.5
    assert contrast(dark[text], dark[ground]) >= 4.5


def test_drivers_have_different_colours_and_the_baseline_a_neutral_one() -> None:
    colours = driver_colours(("none", "host", "bridge", "bridge:user", "container"), "host")

    assert len(set(colours.values())) == 5
    assert colours["host"] == BASELINE


def test_every_driver_there_is_has_a_colour_of_its_own_beside_all_others() -> None:
    colours = driver_colours(tuple(DRIVER_TABLE), "host")

    assert len(set(colours.values())) == len(DRIVER_TABLE)


def test_a_variant_is_told_from_its_driver_by_colour() -> None:
    colours = driver_colours(("host", "bridge:user", "bridge:user@mtu=9000"), "host")

    assert len(set(colours.values())) == 3


def test_a_light_colour_stands_for_one_dark_colour() -> None:
    assert len({colour.light for colour in THEMED}) == len(THEMED)
