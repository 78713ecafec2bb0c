"""Collect what a report shows."""
