"""Runs beside each other: their settings, seeds and trials on this machine."""
