"""A student as ONNX graphs: one step of the backbone, and the head's two calls."""
