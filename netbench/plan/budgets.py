"""Budgets as users write them: the grammar of `--require`, and what is wrong with an expression.

    expression = budget, { ("," | ";"), budget } ;
    budget     = driver, ".", metric, { "@", word }, ("<=" | ">="), bound ;
    bound      = quantity | [ number ], driver, [ ("+" | "-"), quantity ] ;
    quantity   = number, unit ;

Between runs a budget holds one run's driver, or its ratio to the baseline, against another run:

    budget     = [ run, "." ], driver, [ "/", baseline ], ".", metric, { "@", word },
                 ("<=" | ">="), [ number ], run, [ ("+" | "-"), quantity ] ;

A `word` is a placement, a path or a probe of the suite, a `unit` one of the metric's own in
`netbench.units.SPELLINGS`. Blanks may stand between all parts; a sign right after a driver's name
needs one where the name goes on otherwise.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from netbench.errors import ConfigurationError
from netbench.plan.budget_scope import BudgetScope, canonical, nearest
from netbench.record import METRICS, Budget
from netbench.record.checks import MOST
from netbench.units import SPELLINGS

_OPTION: Final = "--require"
_BESIDE: Final = 100  # characters of an expression that an error shows before its place, and after
_BUDGET: Final = re.compile(r"[^,;]+")
_RELATION: Final = re.compile(r"[<>]=")
_NEARLY: Final = re.compile(r"[<>≤≥]|\s[=!]+")  # where a relation was meant
_NUMBER: Final = re.compile(r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_WORD: Final = re.compile(r"\S+")
_UNITS: Final = frozenset(word for words in SPELLINGS.values() for word in words)
_ANOTHER_MU: Final = ("\u03bc", "\u00b5")  # the Greek letter, and the sign in units


def read_budgets(
    expressions: Iterable[str], scope: BudgetScope | None, problems: list[str]
) -> tuple[Budget, ...]:
    """Return every budget once; without a scope, what the run measures, only forms are checked.

    Each problem is added as a message, the expression, and a caret below the place.
    """
    readers = (_Reader(expression, scope, problems) for expression in expressions)
    return tuple(dict.fromkeys(budget for reader in readers for budget in reader.budgets()))


def sound_budgets(expressions: Iterable[str], scope: BudgetScope) -> tuple[Budget, ...]:
    """Return every budget once; ConfigurationError with everything that is wrong with them."""
    problems: list[str] = []
    found = read_budgets(expressions, scope, problems)
    if problems:
        raise ConfigurationError(*problems)
    return found


@dataclass(frozen=True, slots=True)
class _Left:
    """The left side; None is what could not be read, and has been noted."""

    driver: str | None
    metric: str | None
    words: tuple[str | None, ...] = ()


_Bound = tuple[str | None, float, float]  # reference, factor and offset of a `Budget`


class _Reader:
    """Reads one expression; positions are those of its characters."""

    def __init__(self, text: str, scope: BudgetScope | None, problems: list[str]) -> None:
        self._text = text.replace(*_ANOTHER_MU)
        self._scope = scope
        self._drivers = scope.drivers if scope else None
        self._references = scope.references if scope else None
        self._problems = problems

    def budgets(self) -> Iterator[Budget]:
        """Yield the budgets that are right."""
        parts = [m for m in _BUDGET.finditer(self._text) if m[0].strip()]
        if not parts:
            self._note(0, "expected a budget, such as bridge.rtt_p99 <= host + 20us")
        for part in parts:
            known = len(self._problems)
            start, end = self._skip(part.start(), part.end()), part.start() + len(part[0].rstrip())
            budget = self._budget(start, end)
            if budget is None or len(self._problems) > known:
                continue
            problem = self._scope.mismatch(budget) if self._scope else None
            if problem is None:
                yield budget
            else:
                self._note(start, problem)

    def _budget(self, start: int, end: int) -> Budget | None:
        relation = _RELATION.search(self._text, start, end)
        if relation is None:
            meant = _NEARLY.search(self._text, start, end)
            at = self._skip(meant.start(), end) if meant else end
            self._note(at, "expected <= or >= between a metric and its bound")
            return None
        left = self._left(start, relation.start())
        bound = self._bound(relation.end(), end, left)
        if left.driver is None or left.metric is None or bound is None:
            return None
        words = tuple(word for word in left.words if word is not None)
        return Budget(
            left.driver, left.metric, words, "<=" if relation[0] == "<=" else ">=", *bound
        )

    def _left(self, start: int, end: int) -> _Left:
        """Read `DRIVER.METRIC[@WORD...]`; a driver's name may hold dots and @ too."""
        text = self._text[start:end].rstrip()
        dots = [dot.start() for dot in re.finditer(r"\.", text)]
        if not dots:
            self._note(start + len(text), "expected DRIVER.METRIC, as in bridge.throughput")
            return _Left(None, None)

        def likely(dot: int) -> tuple[bool, bool, int]:
            metric = text[dot + 1 :].partition("@")[0].strip()
            known = self._subject(text[:dot].strip()) in (self._drivers or ())
            return known, metric in METRICS, dot

        dot = max(dots, key=likely)
        driver = self._driver(text[:dot].strip(), start)
        metric, *words = text[dot + 1 :].split("@")
        at = start + dot + 1
        found = self._one_of("metric", metric, at, METRICS)
        known = self._scope.words if self._scope else None
        narrowed = []
        for before, word in zip((metric, *words), words, strict=False):
            at += len(before) + 1
            narrowed.append(self._one_of("placement, path or probe", word, at, known))
        return _Left(driver, found, tuple(narrowed))

    def _subject(self, text: str) -> str:
        return self._scope.subject(text) if self._scope else canonical(text)

    def _driver(self, text: str, at: int) -> str | None:
        name = self._subject(text)
        if name and (self._drivers is None or name in self._drivers):
            return name
        named = f"the run has {', '.join(self._scope.named)}" if self._scope else ""
        known = named or "expected the name of a driver"
        self._note(at, f"no driver {text!r}: {known}{nearest(text, self._drivers or ())}")
        return None

    def _one_of(self, what: str, text: str, at: int, known: Collection[str] | None) -> str | None:
        name = text.strip()
        if name and (known is None or name in known):
            return name
        near = nearest(name, known or ()) or (f"; known: {', '.join(known)}" if known else "")
        self._note(self._skip(at, at + len(text)), f"no {what} {name!r}{near}")
        return None

    def _bound(self, start: int, end: int, left: _Left) -> _Bound | None:
        """Read `QUANTITY` or `[NUMBER] DRIVER [+|- QUANTITY]`."""
        at = self._skip(start, end)
        number = _NUMBER.match(self._text, at, end)
        after = self._skip(number.end(), end) if number else at
        word = _WORD.match(self._text, after, end)
        if number and (word is None or word[0] in _UNITS):
            offset = self._quantity(number, end, left.metric)
            if offset is None:
                return None
            if offset <= 0 and left.metric and METRICS[left.metric].compared:
                self._note(at, f"a bound of {left.metric} must be above 0")
                return None
            return None, 1.0, offset
        factor = _value(number[0], Decimal(1)) if number else 1.0
        if not factor:
            self._note(at, "a factor must be above 0, and finite")
            return None
        if word is None:
            self._note(at, "expected a bound: a quantity, or [FACTOR] DRIVER [+ or - QUANTITY]")
            return None
        return self._relative(word, end, factor, left, scaled=number is not None)

    def _relative(
        self, word: re.Match[str], end: int, factor: float, left: _Left, *, scaled: bool
    ) -> _Bound | None:
        """Read `DRIVER [+|- QUANTITY]`, of which the first word is given."""
        name = self._leading_driver(word[0])
        reference = self._reference(name, word.start(), left, scaled=scaled)
        at = self._skip(word.start() + len(name), end)
        if at == end:
            return (reference, factor, 0.0) if reference else None
        sign = self._text[at]
        if sign not in "+-":
            self._note(at, "expected + or - and a quantity, or the end of the budget")
            return None
        at = self._skip(at + 1, end)
        number = _NUMBER.match(self._text, at, end)
        if number is None:
            self._note(at, f"expected a quantity after {sign}, such as 20us")
            return None
        offset = self._quantity(number, end, left.metric)
        if offset is None or reference is None:
            return None
        return reference, factor, offset if sign == "+" else -offset

    def _leading_driver(self, word: str) -> str:
        """Return the driver that a word begins with: `host` of `host+20us`; else all of it."""
        cuts = [len(word), *(m.start() for m in re.finditer(r"[+-]", word))]
        known = self._references or ()
        return max((word[:n] for n in cuts if canonical(word[:n]) in known), key=len, default=word)

    def _reference(self, name: str, at: int, left: _Left, *, scaled: bool) -> str | None:
        reference, known = canonical(name), self._references
        if self._scope and known is not None and reference not in known:
            units = _spellings(left.metric) if scaled else ""
            what = "a run" if self._scope.labels else "a driver"
            expected = f"a unit of {left.metric} ({units}) or {what}" if units else what
            near = nearest(name, (*known, *units.split(", ")))
            if canonical(name.rpartition(".")[0]) in known:
                near = "; both sides are of one metric, which stands on the left alone"
            self._note(at, f"expected {expected} ({', '.join(known)}), not {name!r}{near}")
            return None
        if reference == left.driver:
            self._note(at, f"{reference} cannot be its own bound: name another driver")
            return None
        return reference

    def _quantity(self, number: re.Match[str], end: int, metric: str | None) -> float | None:
        """Read a number's unit, which must be one of the metric's; nothing may follow it."""
        at = self._skip(number.end(), end)
        word = _WORD.match(self._text, at, end)
        unit, past = (word[0], self._skip(word.end(), end)) if word else ("", at)
        if past < end:
            self._note(past, "expected the end of the budget, a `,` or a `;`")
            return None
        if metric is None:
            return None
        scale = SPELLINGS[METRICS[metric].unit].get(unit)
        if scale is None:
            percent = ": a share of a driver's value is a factor, as in 1.05 host"
            got = f"{unit!r}{percent if unit == '%' else ''}" if unit else "none"
            self._note(at, f"expected a unit of {metric} ({_spellings(metric)}), not {got}")
            return None
        value = _value(number[0], scale)
        if value is None:
            self._note(number.start(), "the number is too large")
        return value

    def _skip(self, at: int, end: int) -> int:
        while at < end and self._text[at].isspace():
            at += 1
        return at

    def _note(self, at: int, message: str) -> None:
        start = max(0, at - _BESIDE)
        part = self._text[start : at + _BESIDE]
        shown = "".join(c if c.isprintable() else " " for c in part)
        pointed = f"\n    {shown}\n    {' ' * (at - start)}^" if shown.strip() else ""
        self._problems.append(f"{_OPTION}: {message}{pointed}")


def _value(number: str, scale: Decimal) -> float | None:
    value = float(Decimal(number) * scale)
    return value if value <= MOST else None


def _spellings(metric: str | None) -> str:
    words = SPELLINGS[METRICS[metric].unit] if metric else {}
    return ", ".join(word or "none" for word in words if word.isascii())
