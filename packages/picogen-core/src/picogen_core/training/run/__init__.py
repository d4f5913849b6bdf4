"""What a run writes: checkpoints, log, manifest, progress, trackers."""
