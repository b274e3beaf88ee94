"""The page for readers who do not see it, or use no mouse."""

from typing import Any

import pytest
from support.axe import violations
from support.browsing import Look, Site, opened, with_evidence


def test_axe_finds_nothing_serious(browser: Any, site: Site, axe: str) -> None:
    live = with_evidence(opened(browser, site.address))

    assert violations(live, axe) == []


@pytest.mark.parametrize("look", [Look(width=390), Look(dark=True)], ids=["narrow", "dark"])
def test_axe_finds_enough_contrast_and_names(
    browser: Any, site: Site, axe: str, look: Look
) -> None:
    live = with_evidence(opened(browser, site.address, look))
    rules = ["color-contrast", "scrollable-region-focusable", "target-size", "link-name"]

    assert violations(live, axe, runOnly=rules) == []


def test_the_whole_page_is_reached_by_keyboard(browser: Any, site: Site) -> None:
    live = with_evidence(opened(browser, site.address))
    script = """
    const kinds = "a[href], button, input, select, summary, [tabindex='0']";
    const order = [...document.querySelectorAll(kinds)].filter((one) => one.checkVisibility());
    return order.filter((one) => { one.focus(); return document.activeElement !== one; }).length;
    """

    assert live.execute_script(script) == 0
    assert live.execute_script("return document.querySelector('.skip').hash") == "#main"
