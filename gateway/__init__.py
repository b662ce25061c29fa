"""Gateway: takes encoded slices over gRPC and answers with the verdict of the model in serving."""

__version__ = "0.1.0"
