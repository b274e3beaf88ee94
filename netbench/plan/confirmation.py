"""The plan of a confirmation: missed budgets alone, with a fresh seed."""

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from netbench.plan.model import Plan
from netbench.record import Budget
from netbench.spec import Cell

Owed = tuple[Budget, Cell]  # a missed budget and its cell
_SEED_BITS: Final = 32


def confirming(plan: Plan, owed: Sequence[Owed], blocks: int) -> Plan:
    """Return what measures missed budgets again: their drivers and cells, with the baseline.

    It has the CPUs, the limit of time and the parameters of the plan, and as many blocks as were
    declared when the run began, or as the budgets had, if that is more. A budget that was met in
    another of its cells is narrowed to the missed ones: only those share the error rate.
    """
    drivers = {name for budget, _ in owed for name in (budget.driver, budget.reference)}
    places = {cell.place for _, cell in owed}
    blocks = max(plan.cap, blocks)
    kinds = tuple(kind for kind in plan.kinds if (kind[1].value, kind[0], kind[2]) in places)
    used = {placement for _, _, placement in kinds}
    kept = tuple(driver for driver in plan.drivers if driver.name in drivers | {plan.baseline})
    narrower = replace(plan, drivers=kept, kinds=kinds)
    return replace(
        narrower,
        secondary=frozenset((name, at) for name, _, at in kinds if (name, at) in plan.secondary),
        limits={},
        blocks=blocks,
        cap=blocks,
        seed=_fresh(plan.seed),
        cpus={at: cpus for at, cpus in plan.cpus.items() if at in used},
        impossible={at: why for at, why in plan.impossible.items() if at in used},
        require=tuple(dict.fromkeys(_narrowed(owed, narrower.cells))),
        published=(),
    )


def _narrowed(owed: Sequence[Owed], cells: Sequence[Cell]) -> Iterator[Budget]:
    """Yield the budgets as they are, or for each missed cell where they cover others too."""
    for budget in dict.fromkeys(budget for budget, _ in owed):
        missed = [cell for one, cell in owed if one == budget]
        if {cell for cell in cells if budget.covers(cell)} == {*missed}:
            yield budget
        else:
            for cell in missed:
                words = (cell.probe, cell.placement.value, cell.path.value)
                yield replace(budget, words=words)


def _fresh(seed: int) -> int:
    """Return a random seed other than this one."""
    while (found := secrets.randbits(_SEED_BITS)) == seed:
        pass
    return found
