"""TLS of the calls that a process makes itself."""

from collections.abc import Sequence
from typing import Any

import grpc
from braintumor.tls import channel_credentials

from transport.tls_settings import PeerTls
from transport.watched import UnusableFileError


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
