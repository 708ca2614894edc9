"""Outcomes and battles: reading them, and turning one into the other."""
