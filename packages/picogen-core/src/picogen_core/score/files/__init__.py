"""Readers of score files other than ABC, which run in a separate process."""
