"""Files of TLS, tried before gRPC gets them: it takes anything, and then fails at each handshake."""

import contextlib
import datetime
import ssl
import time
from pathlib import Path
from typing import TYPE_CHECKING

from transport.watched import UnusableFileError

if TYPE_CHECKING:
    from cryptography.x509 import Certificate


def read_pair(certificate: Path, key: Path) -> tuple[bytes, bytes]:
    """Returns a private key and its certificate, both in PEM, in gRPC's order.

    Raises:
      UnusableFileError: they are no PEM, do not belong together, are not valid yet, or are being written.
      OSError: one cannot be read.
    """
    pair = _pair(certificate, key)
    trial = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # Without a password: OpenSSL would ask for one on the terminal.
        trial.load_cert_chain(certificate, key, password=b"")
    except ssl.SSLError as err:
        if err.reason == "KEY_VALUES_MISMATCH":
            raise UnusableFileError(f"{key} is no key of the certificate in {certificate}") from err
        problem = err.reason or "one of them is no PEM, or the key has a password"
        raise UnusableFileError(f"{certificate} and {key} cannot be used: {problem}") from err
    if pair != _pair(certificate, key):
        # What was tried may be another pair than what is returned, of which one half is old and one new.
        raise UnusableFileError(f"{certificate} and {key} are being written")
    chain = _chain(pair[1])
    if not (chain and _is_used_by_grpc(chain[0])):
        raise UnusableFileError(
            f"{certificate} is no certificate that gRPC uses; take a plain one of RSA, P-256 or P-384"
        )
    begin = max(each.not_valid_before_utc for each in chain)
    if begin > datetime.datetime.now(datetime.UTC):
        raise UnusableFileError(f"{certificate} is not valid before {begin:%Y-%m-%d %H:%M:%S} UTC")
    return pair


def _pair(certificate: Path, key: Path) -> tuple[bytes, bytes]:
    return key.read_bytes(), certificate.read_bytes()


def _chain(certificates: bytes) -> "list[Certificate]":
    # Not imported above: who has no TLS does without.
    from cryptography.x509 import InvalidVersion, load_pem_x509_certificates

    try:
        return load_pem_x509_certificates(certificates)
    except (ValueError, InvalidVersion):  # such as `openssl x509 -trustout` writes, or one of version 2
        return []


def _is_used_by_grpc(certificate: "Certificate") -> bool:
    # OpenSSL takes more kinds than BoringSSL, which is gRPC's.
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return False
    return isinstance(key, RSAPublicKey) or (
        isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1 | SECP384R1)
    )


def expiry_of(certificate: bytes) -> float:
    """Returns when a certificate, or the first of those that come with it, ends, in seconds since the epoch.

    Args:
      certificate: in PEM, as of read_pair.
    """
    return min(each.not_valid_after_utc for each in _chain(certificate)).timestamp()


class RenewedPair:
    """A private key and its certificate, in files that are renewed.

    Args:
      certificate: its file.
      key: its file.

    Attributes:
      expiry_s: when the certificate ends that was read last, as of `expiry_of`; 0 before the first one.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self._certificate = certificate
        self._key = key
        self.expiry_s = 0.0

    def read(self) -> tuple[bytes, bytes]:
        """Returns what read_pair does.

        Raises:
          UnusableFileError: as of read_pair; the certificate has ended, and the one before has not.
          OSError: one cannot be read.
        """
        key, certificate = read_pair(self._certificate, self._key)
        expiry_s = expiry_of(certificate)
        if expiry_s <= time.time() < self.expiry_s:
            raise UnusableFileError(f"{self._certificate} has ended already; renew it")
        self.expiry_s = expiry_s
        return key, certificate


def read_authorities(path: Path) -> bytes:
    """Returns certificates of authorities, in PEM.

    Raises:
      UnusableFileError: there is none.
      OSError: the file cannot be read.
    """
    authorities = path.read_bytes()
    trial = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with contextlib.suppress(ssl.SSLError):
        trial.load_verify_locations(path)
    if not trial.cert_store_stats()["x509"]:
        raise UnusableFileError(f"{path} holds no certificate")
    return authorities
