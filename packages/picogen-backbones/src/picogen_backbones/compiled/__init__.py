"""Compiled steps of the backbones, made from their tensors as numpy arrays. No torch."""
