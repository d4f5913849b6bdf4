"""Checks before a run: plan, contracts, memory and time."""
