"""Output of a run: checkpoints, log, manifest, progress, trackers."""
