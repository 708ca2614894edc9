"""Routers that look at their traffic: one keeps its share, one notices that prompts have changed, one keeps a budget.

All are routers, so they go wherever a router goes, in either plugin.
"""

from pointsman.live.budget import BudgetRouter, BudgetWarning
from pointsman.live.drift import DriftWarning, WatchedRouter
from pointsman.live.sliding import SlidingRouter
from pointsman.live.watch import Drift

__all__ = ["BudgetRouter", "BudgetWarning", "Drift", "DriftWarning", "SlidingRouter", "WatchedRouter"]
