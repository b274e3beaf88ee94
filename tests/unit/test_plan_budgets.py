import json
import re
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbench.errors import ConfigurationError
from netbench.plan import BudgetScope, Options, build, parse, read_budgets, scope_of
from netbench.probes import TcpRoundTrip, TcpThroughput
from netbench.record import METRICS, Budget
from netbench.spec import Cell, CpuTopology, Path, Placement
from netbench.units import SPELLINGS, digits, spelled

TWO = CpuTopology((0, 1), ((0,), (1,)))
MEASURED = TcpThroughput().metrics + TcpRoundTrip().metrics
DRIVERS = ("host", "bridge", "bridge:user@family=6+mtu=9000", "cni:/etc/cni/10-a.b+c.conflist")
CELLS = (
    ("tcp-rr", Placement.SAME),
    ("tcp-rr", Placement.CROSS),
    ("tcp-throughput", Placement.CROSS),
)
SCOPE = BudgetScope(
    cells=tuple(
        Cell(driver, path, probe, placement)
        for driver in DRIVERS
        for path in (Path.EAST_WEST, Path.NORTH_SOUTH)
        for probe, placement in CELLS
    ),
    metrics={"tcp-rr": tuple(METRICS), "tcp-throughput": tuple(METRICS)},
    baseline="host",
)


def read(*expressions: str, scope: BudgetScope | None = SCOPE) -> tuple[Budget, ...]:
    problems: list[str] = []
    found = read_budgets(expressions, scope, problems)
    assert problems == []
    return found


def pointed(*expressions: str) -> list[tuple[str, str]]:
    """Return each problem's message, and what stands from its caret on in the expression."""
    problems: list[str] = []
    read_budgets(expressions, SCOPE, problems)
    parts = [problem.split("\n") for problem in problems]
    return [
        (message.removeprefix("--require: "), shown[caret.index("^") :])
        for message, shown, caret in parts
    ]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (
            "bridge.rtt_p99@same <= host + 20us",
            Budget("bridge", "rtt_p99", ("same",), "<=", "host", 1.0, 2e-05),
        ),
        (
            "bridge.throughput>=0.9host",
            Budget("bridge", "throughput", (), ">=", "host", 0.9, 0.0),
        ),
        (
            "bridge.throughput@cross@north-south >= 5 Gbit/s",
            Budget("bridge", "throughput", ("cross", "north-south"), ">=", None, 1.0, 5e9),
        ),
        ("bridge.loss <= 0.1%", Budget("bridge", "loss", (), "<=", None, 1.0, 0.001)),
        ("bridge.loss <= 0.001", Budget("bridge", "loss", (), "<=", None, 1.0, 0.001)),
        ("bridge.retransmits <= 0", Budget("bridge", "retransmits", (), "<=", None, 1.0, 0.0)),
        (
            "bridge.connections >= 0.5 host - 1 k/s",
            Budget("bridge", "connections", (), ">=", "host", 0.5, -1000.0),
        ),
        (
            "bridge.rtt_p50 <= 30μs",
            Budget("bridge", "rtt_p50", (), "<=", None, 1.0, 3e-05),
        ),
        (
            "bridge:user@mtu=9000+family=6.throughput@tcp-throughput >= 1.1 bridge",
            Budget(DRIVERS[2], "throughput", ("tcp-throughput",), ">=", "bridge", 1.1, 0.0),
        ),
        (
            "cni:/etc/cni/10-a.b+c.conflist.jitter <= bridge+1ms",
            Budget(DRIVERS[3], "jitter", (), "<=", "bridge", 1.0, 0.001),
        ),
        (
            "bridge.jitter <= 2 cni:/etc/cni/10-a.b+c.conflist + 1ms",
            Budget("bridge", "jitter", (), "<=", DRIVERS[3], 2.0, 0.001),
        ),
    ],
)
def test_what_an_expression_means(expression: str, expected: Budget) -> None:
    assert read(expression) == (expected,)


def test_several_budgets_in_one_option_and_in_many_each_once() -> None:
    text = "bridge.rtt_p50 <= host; bridge.throughput >= 1Gbit/s ,"

    assert len(read(text, "bridge.rtt_p50<=1 host", "bridge.loss <= 0")) == 3


QUANTITIES = st.floats(min_value=1e-9, max_value=1e15)


@st.composite
def budgets(draw: st.DrawFn) -> Budget:
    driver = draw(st.sampled_from(DRIVERS))
    metric = draw(st.sampled_from(sorted(METRICS)))
    cell = draw(st.sampled_from(SCOPE.cells))
    facets = (cell.placement.value, cell.path.value, cell.probe)
    words = draw(st.lists(st.sampled_from(facets), max_size=3))
    others = [other for other in DRIVERS if other != driver]
    reference = draw(st.none() | st.sampled_from(others))
    sign = draw(st.sampled_from((1, 0, -1))) if reference else 1
    factor = draw(QUANTITIES) if reference else 1.0
    relation = draw(st.sampled_from(("<=", ">=")))
    offset = sign * draw(QUANTITIES)
    return Budget(driver, metric, tuple(words), relation, reference, factor, offset)


@given(budgets())
def test_a_printed_budget_reads_as_itself(budget: Budget) -> None:
    assert read(str(budget)) == (budget,)


@given(budgets())
def test_a_printed_budget_reads_as_itself_without_the_run(budget: Budget) -> None:
    assert read(str(budget), scope=None) == (budget,)


@given(st.floats(min_value=0, allow_infinity=False), st.sampled_from(sorted(SPELLINGS)))
def test_no_digit_of_a_quantity_is_lost(value: float, unit: str) -> None:
    text = spelled(value, unit)
    found = re.fullmatch(r"([0-9.]+)(.*)", text)

    assert found
    assert "e" not in found[1]
    assert float(digits(float(found[1]))) == float(found[1])
    assert found[2] in SPELLINGS[unit]


@pytest.mark.parametrize(
    ("expression", "message", "there"),
    [
        ("bridge.rtt_p9@same <= host", "no metric 'rtt_p9'; did you mean 'rtt_p99'?", "rtt_p9@"),
        ("brigde.rtt_p99 <= host", "no driver 'brigde'", "brigde"),
        (".rtt_p99 <= host", "no driver ''", ".rtt"),
        ("bridge. <= host", "no metric ''", " <="),
        ("bridge.rtt_p99@sam <= host", "no placement, path or probe 'sam'; did you", "sam <="),
        ("bridge.rtt_p99@ <= host", "no placement, path or probe ''", " <="),
        ("bridge <= host", "expected DRIVER.METRIC", " <="),
        ("bridge.rtt_p99", "expected <= or >=", ""),
        ("bridge.rtt_p99 == host", "expected <= or >=", "== host"),
        ("bridge.rtt_p99 < host", "expected <= or >=", "< host"),
        ("bridge.rtt_p99 <=", "expected a bound", ""),
        ("bridge.rtt_p99 <= hots + 1us", "expected a driver (host, ", "hots"),
        ("bridge.rtt_p99 <= 1.5 hots", "expected a unit of rtt_p99 (s, ms, us, ns) or", "hots"),
        ("bridge.rtt_p99 <= host.rtt_p99", "both sides are of one metric", "host.rtt"),
        ("bridge.rtt_p99 <= bridge", "bridge cannot be its own bound", "bridge"),
        ("bridge.rtt_p99 <= 20", "expected a unit of rtt_p99", ""),
        ("bridge.rtt_p99 <= 20Gbit/s", "not 'Gbit/s'", "Gbit/s"),
        ("bridge.rtt_p99 <= host + 5%", "a factor, as in 1.05 host", "%"),
        ("bridge.rtt_p99 <= host + host", "expected a quantity after +", "host"),
        ("bridge.rtt_p99 <= host 20us", "expected + or -", "20us"),
        ("bridge.rtt_p99 <= 20us host", "expected the end", "host"),
        ("bridge.rtt_p99 <= host + 20us or so", "expected the end", "or so"),
        ("bridge.throughput >= 5gbit/s", "not 'gbit/s'; did you mean 'Gbit/s'?", "gbit"),
        ("bridge.throughput >= 0bit/s", "must be above 0", "0bit"),
        ("bridge.throughput >= 0 host", "a factor must be above 0", "0 host"),
        ("bridge.throughput >= -5Gbit/s", "expected a driver", "-5"),
        ("bridge.throughput >= 1e999bit/s", "too large", "1e999"),
        ("bridge.rtt_p99@tcp-throughput@same <= host", "no cell fits; there are: ", "bridge.rtt"),
    ],
)
def test_a_mistake_is_pointed_at_and_told(expression: str, message: str, there: str) -> None:
    for before in ("", "bridge.loss <= 0; "):
        ((told, rest),) = pointed(before + expression)
        assert message in told
        assert rest.startswith(there)
        assert rest or not there


def test_every_mistake_is_told_at_once() -> None:
    found = pointed(
        "brigde.rtt_p9@sam <= hots + 1Gbit/s, bridge.loss <= 0, bridge.throughput > 1", "x", "y"
    )

    assert [rest.partition(" ")[0] for _, rest in found] == [
        *("brigde.rtt_p9@sam", "rtt_p9@sam", "sam", "hots", ">", "", ""),
    ]


@given(st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("<>=.@,;+-0h ")))
def test_whatever_is_written_is_read_or_pointed_at(text: str) -> None:
    problems: list[str] = []
    found = read_budgets([text], SCOPE, problems)

    assert found or problems
    for problem in problems:
        lines = problem.split("\n")
        assert all(line.isprintable() for line in lines)
        if len(lines) == 3:
            assert len(lines[2]) <= len(lines[1]) + 1


def test_an_empty_expression_is_a_mistake() -> None:
    problems: list[str] = []

    assert read_budgets(["", " ; "], SCOPE, problems) == ()
    assert ["expected a budget" in problem for problem in problems] == [True, True]


def problems_of(**options: object) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        parse(Options(**options))  # type: ignore[arg-type] # options by name, for tests
    return caught.value.problems


def test_budgets_are_told_with_every_other_mistake() -> None:
    found = problems_of(blocks="0", require=("bridge.rtt_p9 <= host", "bridge.loss <= 1%"))

    assert [problem.split("\n")[0] for problem in found] == [
        "--blocks must be a whole number from 1 to 1000, not '0'",
        "--require: no metric 'rtt_p9'; did you mean 'rtt_p99'?",
        "--require: no probe of this run measures loss; measured: " + ", ".join(MEASURED),
    ]


def test_an_unknown_driver_is_told_once() -> None:
    found = problems_of(drivers="host,brigde", require=("brigde.rtt_p99 <= host",))

    assert len(found) == 1
    assert found[0].startswith("--drivers: unknown driver 'brigde'")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            {"drivers": "host,none", "require": ("none.rtt_p99 <= host",)},
            "none carries no east-west traffic",
        ),
        (
            {"drivers": "bridge,host", "paths": "hairpin", "require": ("host.rtt_p99 <= 1ms",)},
            "host carries no hairpin traffic",
        ),
    ],
)
def test_a_cell_that_can_never_be_judged_is_a_mistake(
    options: dict[str, object], expected: str
) -> None:
    (found,) = problems_of(baseline="bridge" if "hairpin" in str(options) else None, **options)

    assert expected in found


def test_one_open_path_is_enough() -> None:
    request = parse(
        Options(
            drivers="bridge,bridge:user,host",
            baseline="bridge",
            paths="east-west,hairpin",
            require=("bridge:user.rtt_p50 <= host",),
        )
    )

    assert len(request.plan.require) == 1


def test_pins_that_change_the_placement_change_what_fits() -> None:
    (found,) = problems_of(pin="same", require=("bridge.rtt_p99@cross <= host",))

    assert "no placement, path or probe 'cross'" in found


def test_the_plan_keeps_budgets_and_a_record_of_them_reads_them_again() -> None:
    wanted = "bridge.rtt_p99@same <= 1.5 host + 20us"
    options = Options(require=(wanted,), allow_undecided=True)
    plan = build(parse(options), TWO).summary()

    assert [str(budget) for budget in plan.require] == [wanted]
    assert plan.allow_undecided
    assert json.loads(json.dumps(asdict(plan)))["require"][0]["offset"] == 2e-05
    assert read(wanted, scope=scope_of(plan)) == plan.require
