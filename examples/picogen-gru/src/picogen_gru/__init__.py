"""One part of each kind for PiCo-Gen: backbone, head, loss, metric and source."""
