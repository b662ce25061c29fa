"""Files of TLS that gRPC would take, and then fail at each handshake with, are told apart."""

import re
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from transport.pem import read_authorities, read_pair
from transport.watched import UnusableFileError


def test_files_that_can_be_used_are_returned_as_grpc_takes_them(authority: Any, tmp_path: Path) -> None:
    ours = authority(tmp_path, "ours")
    own = ours.issue("own")
    assert read_pair(own.certificate, own.key) == (own.key.read_bytes(), own.certificate.read_bytes())
    assert read_authorities(ours.certificate) == ours.certificate.read_bytes()


def test_the_key_is_another_certificates(authority: Any, tmp_path: Path) -> None:
    ours = authority(tmp_path, "ours")
    own, other = ours.issue("own"), ours.issue("other")
    with pytest.raises(UnusableFileError, match=re.escape(str(other.key))):
        read_pair(own.certificate, other.key)


def test_the_key_is_of_a_kind_that_grpc_does_not_use(authority: Any, tmp_path: Path) -> None:
    own = authority(tmp_path, "ours").issue("own", curve=ec.SECP521R1())
    with pytest.raises(UnusableFileError, match=re.escape(str(own.certificate))):
        read_pair(own.certificate, own.key)


def test_the_certificate_has_words_of_openssl_around_it(authority: Any, tmp_path: Path) -> None:
    """As `openssl x509 -trustout` writes it: OpenSSL takes it, and others do not."""
    own = authority(tmp_path, "ours").issue("own")
    own.certificate.write_bytes(own.certificate.read_bytes().replace(b" CERTIFICATE", b" TRUSTED CERTIFICATE"))
    with pytest.raises(UnusableFileError, match=re.escape(str(own.certificate))):
        read_pair(own.certificate, own.key)


def test_there_is_no_authority_in_the_file(authority: Any, tmp_path: Path) -> None:
    own = authority(tmp_path, "ours").issue("own")
    with pytest.raises(UnusableFileError, match=re.escape(str(own.key))):
        read_authorities(own.key)
