"""Thresholds from the user's own prompts, guarantees from their labels, and win rates that mean what they say."""

from pointsman.calibration.calibrate import calibrate

__all__ = ["calibrate"]
