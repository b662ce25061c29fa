"""Files of TLS that gRPC would take, and then fail at each handshake with, are told apart."""

import re
import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509 import load_pem_x509_certificates

from transport.pem import expiry_of, read_authorities, read_pair
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


class _RenewedMeanwhile(type(Path())):  # type: ignore[misc]  # which of its kinds a path is depends on the machine
    """The file of a certificate that is renewed, with its key, just before it is read."""

    renew: Any

    def read_bytes(self) -> bytes:
        self.renew()
        return Path(self).read_bytes()


def test_a_pair_that_is_renewed_while_it_is_read_is_not_taken_for_one(authority: Any, tmp_path: Path) -> None:
    """Its halves would be no pair, although the files hold one; followed files are read again."""
    ours = authority(tmp_path, "ours")
    own = ours.issue("own")
    certificate = _RenewedMeanwhile(own.certificate)
    certificate.renew = lambda: ours.issue("own")
    with pytest.raises(UnusableFileError, match="are being written"):
        read_pair(certificate, own.key)


def test_a_key_with_a_password_is_told_from_another_certificates(authority: Any, tmp_path: Path) -> None:
    own = authority(tmp_path, "ours").issue("own")
    key = load_pem_private_key(own.key.read_bytes(), None)
    own.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")))
    with pytest.raises(UnusableFileError, match="the key has a password"):
        read_pair(own.certificate, own.key)


def test_the_certificate_is_not_valid_yet(authority: Any, tmp_path: Path) -> None:
    """Nobody would be let in by it; followed files keep the one before until its time comes."""
    own = authority(tmp_path, "ours").issue("own", days=9, begins_in_days=1)
    with pytest.raises(UnusableFileError, match=re.escape(f"{own.certificate} is not valid before ")):
        read_pair(own.certificate, own.key)


def test_a_certificate_ends_with_the_first_of_those_that_come_with_it(authority: Any, tmp_path: Path) -> None:
    ours = authority(tmp_path, "ours")
    own, between = ours.issue("own", days=9), ours.issue("between", days=3)
    chain = own.certificate.read_bytes() + between.certificate.read_bytes()
    assert expiry_of(chain) == expiry_of(between.certificate.read_bytes()) < expiry_of(own.certificate.read_bytes())


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


def test_the_certificate_is_of_a_version_that_nobody_uses(authority: Any, tmp_path: Path) -> None:
    """OpenSSL takes that too."""
    own = authority(tmp_path, "ours").issue("own")
    (certificate,) = load_pem_x509_certificates(own.certificate.read_bytes())
    second = certificate.public_bytes(Encoding.DER).replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x01", 1)
    own.certificate.write_text(ssl.DER_cert_to_PEM_cert(second))
    with pytest.raises(UnusableFileError, match=re.escape(str(own.certificate))):
        read_pair(own.certificate, own.key)


def test_there_is_no_authority_in_the_file(authority: Any, tmp_path: Path) -> None:
    own = authority(tmp_path, "ours").issue("own")
    with pytest.raises(UnusableFileError, match=re.escape(str(own.key))):
        read_authorities(own.key)
