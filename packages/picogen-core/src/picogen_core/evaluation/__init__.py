"""Metrics of a folder of scores: rows per piece, values with intervals, references."""
