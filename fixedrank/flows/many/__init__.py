"""Flows from many starts at once."""
