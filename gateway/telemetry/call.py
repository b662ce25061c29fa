"""What is to be told of the call that the running task works for, when it ends."""

from contextvars import ContextVar

model_version: ContextVar[int] = ContextVar("model_version", default=0)
"""The version that answered; 0 for none, or, in a stream, for several."""

reason: ContextVar[str] = ContextVar("reason", default="")
"""ErrorInfo.reason of what went wrong; empty where nothing did."""
