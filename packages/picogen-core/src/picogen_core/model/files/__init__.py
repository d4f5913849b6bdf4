"""Files of checkpoints: folders, NotaGen's .pth, the hub; digests and imports in the cache."""
