"""Measuring routers: metrics, hulls, intervals."""
