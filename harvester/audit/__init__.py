"""Verify again what is stored, and compare it with the ledger."""
