"""Files, locks, processes, limits and signals: nothing here knows music."""
