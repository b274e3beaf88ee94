"""Parameters of a probe as a suite gives them, held against what the tool takes."""

from netbench.errors import ConfigurationError


def hold(probe: str, *problems: str | None) -> None:
    """Raise with every problem found.

    Raises:
        ConfigurationError: there is one.
    """
    found = [f"{probe}: {problem}" for problem in problems if problem]
    if found:
        raise ConfigurationError(*found)


def outside(name: str, value: object, low: float, high: float, *, whole: bool) -> str | None:
    """Return what is wrong with a parameter's value, None where nothing is."""
    kinds = (int,) if whole else (int, float)
    right = isinstance(value, kinds) and not isinstance(value, bool) and low <= value <= high
    if right:
        return None
    kind = "a whole number" if whole else "a number"
    return f"`{name}` is {kind} from {low:g} to {high:g}, not {value!r}"
