"""Plugins: hooks, specs, contracts, and lookup by name."""
