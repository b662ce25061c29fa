"""What can go wrong with a port, without gRPC: whoever catches it may not have loaded that yet."""


class CannotListenError(OSError):
    """A port cannot be opened: as a rule somebody else has it."""

    def __init__(self, address: str) -> None:
        super().__init__(f"cannot listen on {address}; is the port taken, or does the service run already?")
