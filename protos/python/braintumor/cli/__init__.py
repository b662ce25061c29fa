"""The `braintumor` command; a command is a file."""

import os

# gRPC logs to stderr when a server leaves, in its own format. It reads this when it is first imported, so here, before
# any module of the command does that, is the one place to say that the command speaks for itself.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
