"""Parameters of a probe as a suite gives them, held against what the tool takes."""

from typing import Final

from netbench.errors import ConfigurationError
from netbench.units import bit_rate

_LOWEST: Final = 1e3
_HIGHEST: Final = 1e12
"""Bit/s. Without a rate a sender floods its own path and measures what it loses there."""


def hold(probe: str, *problems: str | None) -> None:
    """Raise with every problem found.

    Raises:
        ConfigurationError: there is one.
    """
    found = [f"{probe}: {problem}" for problem in problems if problem]
    if found:
        raise ConfigurationError(*found)


def no_flag(name: str, value: object) -> str | None:
    """Return what is wrong with a parameter that is true or false."""
    return None if isinstance(value, bool) else f"`{name}` is true or false, not {value!r}"


def no_rate(name: str, value: object) -> str | None:
    """Return what is wrong with a rate."""
    try:
        if isinstance(value, str) and _LOWEST <= bit_rate(value) <= _HIGHEST:
            return None
    except ValueError:
        pass
    limits = f"from {_LOWEST / 1e3:g}K to {_HIGHEST / 1e12:g}T"
    return f'`{name}` is a rate in bit/s {limits}, written as "250M" or "1G", not {value!r}'


def outside(name: str, value: object, low: float, high: float, *, whole: bool) -> str | None:
    """Return what is wrong with a parameter's value, None where nothing is."""
    kinds = (int,) if whole else (int, float)
    right = isinstance(value, kinds) and not isinstance(value, bool) and low <= value <= high
    if right:
        return None
    kind = "a whole number" if whole else "a number"
    return f"`{name}` is {kind} from {low:g} to {high:g}, not {value!r}"
