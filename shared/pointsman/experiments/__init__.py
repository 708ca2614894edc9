"""Experiments on live traffic: routers side by side (`SplitRouter`), and one that only watches (`ShadowRouter`).

Both are routers, so they go wherever a router goes, in either plugin.
"""

from pointsman.experiments.shadow import Shadowed, ShadowRouter
from pointsman.experiments.split import SplitRouter, arm_of

__all__ = ["ShadowRouter", "Shadowed", "SplitRouter", "arm_of"]
