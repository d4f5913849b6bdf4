"""Prepared data on disk: packed arrays, index and digests."""
