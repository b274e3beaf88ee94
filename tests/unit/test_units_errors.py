import inspect
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbench import errors, units
from netbench.errors import ConfigurationError, NetbenchError

SCALES = {
    "": 1.0,
    "k": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
    "m": 1e-3,
    "µ": 1e-6,
    "n": 1e-9,
}


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (2.31e10, units.BITS_PER_SECOND, "23.1 Gbit/s"),
        (0.0, units.BITS_PER_SECOND, "0 bit/s"),
        (999.0, units.BITS_PER_SECOND, "999 bit/s"),
        (1e15, units.BITS_PER_SECOND, "1000 Tbit/s"),
        (65536.0, units.BYTES, "65.5 kB"),
        (1.37e-5, units.SECONDS, "13.7 µs"),
        (2e-9, units.SECONDS, "2.00 ns"),
        (0.0, units.SECONDS, "0 s"),
        (12.0, units.SECONDS, "12.0 s"),
        (18_123.4, units.PER_SECOND, "18,123/s"),
        (3.25, units.PER_SECOND, "3.25/s"),
        (12_345.0, units.COUNT, "12,345"),
        (0.0123, units.RATIO, "0.0123"),
        (None, units.SECONDS, units.MISSING),
        (math.nan, units.SECONDS, units.MISSING),
        (math.inf, units.BITS_PER_SECOND, units.MISSING),
    ],
)
def test_a_quantity_is_shown_with_three_digits_and_its_unit(
    value: float | None, unit: str, shown: str
) -> None:
    assert units.quantity(value, unit) == shown


@given(
    st.floats(1e-9, 1e14, allow_nan=False),
    st.sampled_from([units.BITS_PER_SECOND, units.BYTES, units.SECONDS]),
)
def test_what_is_shown_is_the_value_to_half_a_percent(value: float, unit: str) -> None:
    value = value if unit == units.SECONDS or value >= 1 else 1.0
    number, shown = units.quantity(value, unit).split(" ")
    prefix = shown.removesuffix(unit)

    assert float(number) * SCALES[prefix] == pytest.approx(value, rel=0.005)


@given(st.floats(-1e14, 1e14), st.integers(1, 6))
def test_significant_digits_never_need_an_exponent(value: float, digits: int) -> None:
    shown = units.significant(value, digits)

    assert re.fullmatch(r"-?\d+(\.\d+)?", shown)
    assert float(shown) == pytest.approx(value, rel=10 ** (1 - digits))


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [
        (0.751, 0.812, "[0.751, 0.812]"),
        (0.751, None, "[0.751, ∞]"),
        (None, 0.812, "[0, 0.812]"),
        (None, None, "[–]"),
    ],
)
def test_an_interval_tells_which_end_is_open(
    low: float | None, high: float | None, shown: str
) -> None:
    assert units.interval(low, high) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(41.4, "41 s"), (59.6, "1 min 00 s"), (125, "2 min 05 s"), (3599.7, "1 h 00 min")],
)
def test_a_duration_is_rounded_before_it_is_split(seconds: float, shown: str) -> None:
    assert units.duration(seconds) == shown


def test_ratios_and_percents() -> None:
    assert units.ratio(0.7834) == "0.783"
    assert units.ratio(None) == units.MISSING
    assert units.ratio(math.inf) == units.MISSING
    assert units.percent(0.78) == "-22.0 %"
    assert units.percent(1.05) == "+5.0 %"
    assert units.percent(0.9999) == units.percent(1.0001) == "0.0 %"


ERRORS = [
    value
    for _, value in inspect.getmembers(errors, inspect.isclass)
    if issubclass(value, NetbenchError)
]


@pytest.mark.parametrize("error", ERRORS)
def test_the_tree_in_the_docstring_is_the_tree(error: type[NetbenchError]) -> None:
    """The drawing names every class with its exit code."""
    if error is NetbenchError:
        return
    (line,) = [x for x in (errors.__doc__ or "").splitlines() if f"─ {error.__name__} " in x]
    code = re.search(r" (\d+) ", line)

    assert code
    assert int(code[1]) == error.exit_code


def test_kinds_tell_errors_apart() -> None:
    kinds = [error.kind for error in ERRORS]

    assert len(set(kinds)) == len(kinds)


def test_an_error_has_a_message_a_hint_and_its_problems() -> None:
    one = NetbenchError("it broke", hint="mend it")
    several = ConfigurationError("first", "second", hint="look")

    assert (str(one), one.hint, one.problems) == ("it broke", "mend it", ("it broke",))
    assert (several.problems, several.message) == (("first", "second"), "first; second")
    assert several.exit_code == 2


def test_a_share_has_a_blank_before_its_sign() -> None:
    assert (units.share(0.0213), units.share(0.5, 0)) == ("2.1 %", "50 %")
