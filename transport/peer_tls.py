"""TLS of the calls that a process makes itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from braintumor.tls import channel_credentials


@dataclass(frozen=True, slots=True)
class PeerTls:
    """How a process knows the other side, and shows who it is itself. Files are in PEM, and read for each channel.

    Attributes:
      ca: authorities of the other side.
      certificate: of this process, where the other side asks for one; with it goes its key.
      key: the certificate's private key.
      name: in the other side's certificate; "" is the host that is called.
    """

    ca: Path
    certificate: Path | None = None
    key: Path | None = None
    name: str = ""


def connect(target: str, options: Sequence[tuple[str, Any]], tls: PeerTls | None) -> grpc.aio.Channel:
    """Returns a channel to a gRPC target, in plain text where there is no `tls`.

    Raises:
      OSError: a file cannot be read.
    """
    if tls is None:
        return grpc.aio.insecure_channel(target, options=options)
    named = (("grpc.ssl_target_name_override", tls.name),) if tls.name else ()
    credentials = channel_credentials(tls.ca, tls.certificate, tls.key)
    return grpc.aio.secure_channel(target, credentials, options=(*options, *named))
