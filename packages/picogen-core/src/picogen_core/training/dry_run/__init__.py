"""What can be checked before a run: plan, contracts, memory and time."""
