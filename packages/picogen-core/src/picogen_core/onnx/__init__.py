"""A student as ONNX graphs: one step of the backbone, and the head's two calls.

The tests do not check shapes in here as they run: torch's tracer cannot read the checks.
"""
