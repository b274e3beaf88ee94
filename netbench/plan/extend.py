"""What is added to a run: blocks or seconds, as `--blocks +N` and `--max-time +S` say."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from netbench.plan.model import Plan
from netbench.plan.suite import MOST_BLOCKS
from netbench.record import FactValue

_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,20}")
_DECIMAL: Final = re.compile(
    r"[+-]?([0-9]{1,20}(\.[0-9]{0,20})?|\.[0-9]{1,20})([eE][+-]?[0-9]{1,3})?"
)
"""Numbers in the digits 0 to 9: Python reads others too, and underscores between them."""
EXTENDS: Final = "+"  # sign before a number of an option that extends a run
MOST_SECONDS: Final = 1e9
EXTENDING: Final = {
    "blocks": f"--blocks +N takes a whole number from 1 to {MOST_BLOCKS}",
    "max-time": "--max-time +S takes seconds above 0, at most 1e9",
}
"""Options that extend a run, and what they take."""


def whole_number(text: str, low: int, high: int) -> int | None:
    """Return a whole number between two bounds, those included; None for any other text."""
    value = int(text) if _WHOLE.fullmatch(text.strip()) else None
    return value if value is not None and low <= value <= high else None


def positive(text: str) -> float | None:
    """Return a finite number above 0; None for any other text."""
    value = float(text) if _DECIMAL.fullmatch(text.strip()) else 0.0
    return value if 0 < value < math.inf else None


@dataclass(frozen=True, slots=True)
class Extension:
    """What is added to a run; nothing where it is only resumed."""

    blocks: int = 0  # beyond those that are to be measured anyway; 0 where only time limits it
    seconds: float = 0.0  # seconds from now on; 0 for no limit of time

    def __bool__(self) -> bool:
        """Tell whether there is anything to add."""
        return bool(self.blocks or self.seconds)

    def of(self, plan: Plan, *, blocks: int, spent: float) -> Plan:
        """Return a plan with so much more than the blocks and seconds `spent`; its cap stays."""
        return replace(
            plan,
            blocks=blocks + (self.blocks or MOST_BLOCKS),
            max_time=spent + self.seconds if self.seconds else None,
            unhurried=0,
        )


def asks_to_extend(option: str, value: FactValue) -> bool:
    """Tell whether an option is given so that it extends a run."""
    return option in EXTENDING and str(value).strip().startswith(EXTENDS)


def read_extension(asked: Mapping[str, FactValue], problems: list[str]) -> Extension:
    """Return what the options, by name without dashes, add to a run; notes what cannot be."""
    found: dict[str, float] = {}
    for option, wanted in EXTENDING.items():
        if option in asked and asks_to_extend(option, asked[option]):
            text = str(asked[option]).strip().removeprefix(EXTENDS)
            value = whole_number(text, 1, MOST_BLOCKS) if option == "blocks" else positive(text)
            if value is None or value > MOST_SECONDS or text.startswith(EXTENDS):
                problems.append(f"{wanted}, not {EXTENDS + text!r}")
            else:
                found[option] = value
    return Extension(int(found.get("blocks", 0)), found.get("max-time", 0.0))
