"""Geodesics of a metric: the exponential map, its inverse and parallel transport."""
