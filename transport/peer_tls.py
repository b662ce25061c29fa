"""TLS of the calls that a process makes itself."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import grpc
from braintumor.tls import channel_credentials
from pydantic import BaseModel, ConfigDict, model_validator

from transport.watched import UnusableFileError


class PeerTls(BaseModel):
    """How a process knows the other side, and shows who it is itself; part of its settings.

    Files are in PEM, and read for each channel.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    ca: Path
    """Authorities of the other side."""

    certificate: Path | None = None
    """Of this process, where the other side asks for one; with it goes its key."""

    key: Path | None = None
    """The certificate's private key."""

    name: str = ""
    """In the other side's certificate. By default it is the host that is called, which is an IP address where a name
    was looked up first."""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("a certificate and its key go together")
        return self


def connect(target: str, options: Sequence[tuple[str, Any]], tls: PeerTls | None) -> grpc.aio.Channel:
    """Returns a channel to a gRPC target, in plain text where there is no `tls`.

    Raises:
      UnusableFileError: a file cannot be read.
    """
    if tls is None:
        return grpc.aio.insecure_channel(target, options=options)
    named = (("grpc.ssl_target_name_override", tls.name),) if tls.name else ()
    try:
        credentials = channel_credentials(tls.ca, tls.certificate, tls.key)
    except OSError as err:
        raise UnusableFileError(f"{err.filename} cannot be read: {err.strerror}") from err
    return grpc.aio.secure_channel(target, credentials, options=(*options, *named))
