"""Files of TLS, as parts of a process's settings. Without gRPC, which not every process that reads them needs."""

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, model_validator


class ServerTls(BaseModel):
    """Files in PEM that a server is known by; part of a process's settings."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    certificate: Path
    """Its certificate, followed by those between it and its authority."""

    key: Path
    """The certificate's private key."""

    client_ca: Path | None = None
    """Authorities of callers. Where there is one, callers without a certificate of theirs are turned away."""


class PeerTls(BaseModel):
    """How a process knows the other side, and shows who it is itself; part of its settings.

    Files are in PEM, and followed.
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
