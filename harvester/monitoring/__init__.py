"""Observers for machines: event log, metrics, webhook."""
