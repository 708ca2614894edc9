"""Routers that look at their traffic: one keeps its share of strong calls, one notices that prompts have changed.

Both are routers, so they go wherever a router goes, in either plugin.
"""

from pointsman.live.drift import DriftWarning, WatchedRouter
from pointsman.live.sliding import SlidingRouter
from pointsman.live.watch import Drift

__all__ = ["Drift", "DriftWarning", "SlidingRouter", "WatchedRouter"]
