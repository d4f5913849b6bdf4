"""A GRU backbone for PiCo-Gen."""
