"""Fitting routers. Nothing that serves a call imports this."""

from pointsman.training.train import train

__all__ = ["train"]
