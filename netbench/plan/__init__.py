"""From options and suite to a frozen, seeded plan; every configuration error is found here."""

from netbench.plan.budget_scope import BudgetScope as BudgetScope
from netbench.plan.budget_scope import nearest as nearest
from netbench.plan.budget_scope import scope_of as scope_of
from netbench.plan.budget_scope import scope_of_runs as scope_of_runs
from netbench.plan.budgets import read_budgets as read_budgets
from netbench.plan.budgets import sound_budgets as sound_budgets
from netbench.plan.confirmation import confirming as confirming
from netbench.plan.drivers import parse_drivers as parse_drivers
from netbench.plan.extend import Extension as Extension
from netbench.plan.extend import asks_to_extend as asks_to_extend
from netbench.plan.extend import read_extension as read_extension
from netbench.plan.model import Plan as Plan
from netbench.plan.model import restore as restore
from netbench.plan.order import BlockPlan as BlockPlan
from netbench.plan.order import Step as Step
from netbench.plan.order import round_order as round_order
from netbench.plan.request import Options as Options
from netbench.plan.request import build as build
from netbench.plan.request import parse as parse
from netbench.plan.suite import load_suite as load_suite
