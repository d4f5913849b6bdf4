"""Runs beside each other: their settings, seeds and benchmarks on this machine."""
