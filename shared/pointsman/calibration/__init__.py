"""Thresholds from the user's own prompts, guarantees from their labels, and win rates that mean what they say."""

from pointsman.calibration.calibrate import calibrate
from pointsman.calibration.cascade import CertifiedCut, certify_cut
from pointsman.calibration.win_rates import WinRates, calibrate_win_rates

__all__ = ["CertifiedCut", "WinRates", "calibrate", "calibrate_win_rates", "certify_cut"]
