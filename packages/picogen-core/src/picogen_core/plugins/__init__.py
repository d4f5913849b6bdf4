"""What plugins are: hooks, records, contracts, and how they are found by name."""
