"""How long a text of a run folder may be; what is longer is cut, and says how long it was."""

from typing import Final, TypeVar

from msgspec import convert, to_builtins

from netbench.errors import cut

T = TypeVar("T")

TEXT: Final = 20_000  # characters of one text that are written, evidence and facts included
SHOWN: Final = 4_000  # characters of one text that a report shows
ENTRIES: Final = 1_000  # entries of a fact that is a list, and facts of one record or run
_FACTS: Final = ("facts", "details")  # fields whose values are facts: pairs of a name and its value


def bounded(document: object, most: int = TEXT) -> object:
    """Return a value as JSON has it with every text, and every list of a fact, within bounds."""
    if isinstance(document, str):
        return cut(document, most)
    if isinstance(document, list | tuple):
        return [bounded(one, most) for one in document]
    if isinstance(document, dict):
        return {
            key: _facts(value, most) if key in _FACTS else bounded(value, most)
            for key, value in document.items()
        }
    return document


def bounded_value(value: T, most: int = TEXT) -> T:
    """Return a record or a run's information within the same bounds."""
    return convert(bounded(to_builtins(value), most), type(value))


def _facts(pairs: object, most: int) -> object:
    if not isinstance(pairs, list | tuple):
        return bounded(pairs, most)
    kept = [[name, _list(value, most)] for name, value in pairs[:ENTRIES]]
    more = len(pairs) - ENTRIES
    return [*kept, ["more", f"cut: {more:,} facts"]] if more > 0 else kept


def _list(value: object, most: int) -> object:
    if not isinstance(value, list | tuple) or len(value) <= ENTRIES:
        return bounded(value, most)
    return [*(bounded(one, most) for one in value[:ENTRIES]), f"… (cut: {len(value):,} entries)"]
