"""Checks of compiled steps against torch."""
