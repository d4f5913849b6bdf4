"""The backbones without torch: from their tensors as numpy arrays to one compiled step."""
