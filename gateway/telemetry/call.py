"""What is to be told of a call when it ends, and only its handler knows."""

from contextvars import ContextVar

model_version: ContextVar[int] = ContextVar("model_version", default=0)
"""The version that answered the call that the running task works for; 0 for none, or, in a stream, for several."""
