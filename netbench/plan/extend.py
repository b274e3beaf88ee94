"""More blocks or more time for a run that is there: `--resume DIR --blocks +10`."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from netbench.plan.model import Plan
from netbench.plan.request import EXTENDS
from netbench.plan.suite import MOST_BLOCKS
from netbench.record import FactValue

EXTENDING: Final = ("blocks", "max-time")
"""Options that extend a run where their value begins with `+`."""


@dataclass(frozen=True, slots=True)
class Extension:
    """What is added to a run; nothing where it is only resumed."""

    blocks: int = 0
    """Blocks beyond those that are to be measured anyway; 0 where only time limits it."""
    seconds: float = 0.0
    """Seconds from now on; 0 for no limit of time."""

    def __bool__(self) -> bool:
        """Tell whether there is anything to add."""
        return bool(self.blocks or self.seconds)

    def of(self, plan: Plan, *, blocks: int, spent: float) -> Plan:
        """Return the plan as it is extended; the declared cap stays.

        Args:
            plan: of the run.
            blocks: from which the added ones are counted.
            spent: seconds that the run has taken.
        """
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
    """Return what is to be added to a run, noting every value that cannot be.

    Args:
        asked: options as the user gave them, by name without dashes.
        problems: taken by reference.
    """
    texts = {
        option: str(asked[option]).strip().removeprefix(EXTENDS)
        for option in EXTENDING
        if option in asked and asks_to_extend(option, asked[option])
    }
    return Extension(
        _blocks(texts["blocks"], problems) if "blocks" in texts else 0,
        _seconds(texts["max-time"], problems) if "max-time" in texts else 0.0,
    )


def _blocks(text: str, problems: list[str]) -> int:
    if text.isascii() and text.isdecimal() and 1 <= int(text) <= MOST_BLOCKS:
        return int(text)
    problems.append(
        f"--blocks +N takes a whole number from 1 to {MOST_BLOCKS}, not {EXTENDS + text!r}"
    )
    return 0


def _seconds(text: str, problems: list[str]) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if math.isfinite(value) and value > 0 and not text.startswith(EXTENDS):
        return value
    problems.append(f"--max-time +S takes seconds above 0, not {EXTENDS + text!r}")
    return 0.0
