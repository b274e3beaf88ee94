"""From options and suite to a frozen, seeded plan; every configuration error is found here."""

from netbench.plan.budgets import read_budgets
from netbench.plan.build import Plan, build
from netbench.plan.drivers import parse_drivers
from netbench.plan.offer import Offer, offered, offered_by
from netbench.plan.order import BlockPlan, Step
from netbench.plan.request import Options, Request, parse
from netbench.plan.restore import restore
from netbench.plan.runoffer import RunsOffer, offered_by_runs
from netbench.plan.suite import load_suite

__all__ = [
    "BlockPlan",
    "Offer",
    "Options",
    "Plan",
    "Request",
    "RunsOffer",
    "Step",
    "build",
    "load_suite",
    "offered",
    "offered_by",
    "offered_by_runs",
    "parse",
    "parse_drivers",
    "read_budgets",
    "restore",
]
