"""A student as ONNX graphs: one step of the backbone, and the head's two calls.

Tests do not check the shapes in this room at run time: torch's tracer cannot read the checks.
"""
