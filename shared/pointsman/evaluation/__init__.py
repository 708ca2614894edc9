"""Measuring routers: metrics, hulls, intervals, and `evaluate`, which brings them together."""

from pointsman.evaluation.compare import evaluate
from pointsman.evaluation.report import Report

__all__ = ["Report", "evaluate"]
