"""Public keys by which signed tokens are checked."""

import json
import re
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from transport.watched import UnusableFileError

ALGORITHMS: dict[type[Any], tuple[str, ...]] = {
    RSAPublicKey: ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    EllipticCurvePublicKey: ("ES256", "ES384", "ES512"),
    Ed25519PublicKey: ("EdDSA",),
}
"""What a token may be signed with, by kind of key. All are asymmetric: with others whoever can check can also sign."""

_LEAST_RSA_BITS = 2048
_MALFORMED = (ValueError, TypeError, AttributeError, KeyError, RecursionError, UnsupportedAlgorithm)
_PEM = re.compile(rb"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A public key, the id that tokens name it by, None for any, and what they may be signed with."""

    kid: str | None
    key: Any
    algorithms: tuple[str, ...]


def parse_keys(data: bytes, origin: str) -> tuple[SigningKey, ...]:
    """Reads public keys in PEM, one after the other, or a JWKS.

    Of a JWKS, keys for something else, and those that cannot be understood, are left out: RFC 7517, section 5.

    Raises:
      UnusableFileError: there is none among them, or it is neither. Names the origin.
    """
    try:
        keys = _parse_jwks(data) if data.lstrip().startswith(b"{") else _parse_pem(data)
    except _MALFORMED as err:
        raise UnusableFileError(f"{origin} is neither PEM nor JWKS") from err
    if not keys:
        raise UnusableFileError(f"{origin} holds no public key that is fit for tokens; RSA needs 2048 bits")
    return keys


def _parse_pem(data: bytes) -> tuple[SigningKey, ...]:
    found = (_signing_key(None, load_pem_public_key(block), None) for block in _PEM.findall(data))
    return tuple(key for key in found if key)


def _parse_jwks(data: bytes) -> tuple[SigningKey, ...]:
    found = (_jwk(entry) for entry in json.loads(data)["keys"])
    return tuple(key for key in found if key)


def _jwk(entry: dict[str, Any]) -> SigningKey | None:
    try:
        kid = entry.get("kid")
        if entry.get("use", "sig") != "sig" or not (kid is None or isinstance(kid, str)):
            return None
        return _signing_key(kid, PyJWK(entry).key, entry.get("alg"))
    except (*_MALFORMED, PyJWTError):
        return None


def _signing_key(kid: str | None, key: Any, algorithm: str | None) -> SigningKey | None:
    if isinstance(key, RSAPublicKey) and key.key_size < _LEAST_RSA_BITS:
        return None
    fitting = next((names for kind, names in ALGORITHMS.items() if isinstance(key, kind)), ())
    names = tuple(name for name in fitting if algorithm in {None, name})
    return SigningKey(kid, key, names) if names else None
