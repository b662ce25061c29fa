"""Signed tokens (JWT) of an issuer that is trusted."""

import hashlib
import time
from typing import Any

import jwt

from gateway.auth.identity import Identity, is_name
from gateway.auth.key_sources import KeySource
from gateway.auth.rights import Right
from gateway.auth.signing_keys import SigningKey
from gateway.errors import TokenExpiredError, TokenInvalidError

_LEEWAY_S = 30.0
"""By how much the issuer's clock may differ."""
_MAX_REMEMBERED = 4096

# What a token fails by where none of the keys has signed it; another one may have.
_NOT_SIGNED_BY_IT = (jwt.InvalidSignatureError, jwt.InvalidAlgorithmError, jwt.InvalidKeyError)


class SignedTokens:
    """Checks signature, `iss`, `aud`, `exp` and, where there is one, `nbf`. `sub` is the name, `scope` has the rights.

    A token that was found good is not checked again before it expires, or the keys have changed.

    Source: RFC 7519, RFC 8725.
    """

    def __init__(self, keys: KeySource, issuer: str, audience: str) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._known: dict[bytes, tuple[Identity, float]] = {}
        self._known_by: tuple[SigningKey, ...] = ()

    async def identify(self, token: str) -> Identity:
        """Returns whose token that is.

        Raises:
          TokenInvalidError, TokenExpiredError, KeysUnavailableError: as they say.
        """
        keys = await self._keys.current()
        if keys is not self._known_by:
            self._known.clear()
            self._known_by = keys
        digest = hashlib.sha256(token.encode()).digest()
        identity, expires_s = self._known.get(digest, (None, 0.0))
        if identity is None or expires_s <= time.time():
            identity, expires_s = await self._check(token, keys)
            self._remember(digest, identity, expires_s)
        return identity

    async def _check(self, token: str, keys: tuple[SigningKey, ...]) -> tuple[Identity, float]:
        try:
            claims = await self._claims(token, keys)
            expires_s = float(claims["exp"])
        except jwt.ExpiredSignatureError as err:
            raise TokenExpiredError("The token has expired; get a new one.") from err
        except (jwt.PyJWTError, OverflowError) as err:  # the latter of an integer beyond all floats
            raise TokenInvalidError("The token is not valid here.") from err
        scope = claims.get("scope")
        granted = scope.split() if isinstance(scope, str) else []
        return Identity(claims["sub"], frozenset(right for right in Right if right in granted)), expires_s

    async def _claims(self, token: str, keys: tuple[SigningKey, ...]) -> dict[str, Any]:
        header = jwt.get_unverified_header(token)
        try:
            return self._verified(token, _named(header, keys))
        except _NOT_SIGNED_BY_IT:
            # Not only where no key has the token's id: tokens may name none, and a new key may have an old one's.
            renewed = await self._keys.renewed()
            if renewed is keys:
                raise
            return self._verified(token, _named(header, renewed))

    def _verified(self, token: str, candidates: list[SigningKey]) -> dict[str, Any]:
        failure: jwt.PyJWTError = jwt.InvalidKeyError("no such key")
        for candidate in candidates:
            try:
                claims = jwt.decode(
                    token,
                    candidate.key,
                    algorithms=candidate.algorithms,
                    issuer=self._issuer,
                    audience=self._audience,
                    leeway=_LEEWAY_S,
                    options={"require": ["exp", "iss", "aud", "sub"]},
                )
            except _NOT_SIGNED_BY_IT as err:
                failure = err
                continue
            if not is_name(claims["sub"]):
                raise jwt.InvalidTokenError("no name")
            return claims
        raise failure

    def _remember(self, digest: bytes, identity: Identity, expires_s: float) -> None:
        if len(self._known) >= _MAX_REMEMBERED:
            self._known.pop(next(iter(self._known)))
        self._known[digest] = identity, expires_s


def _named(header: dict[str, Any], keys: tuple[SigningKey, ...]) -> list[SigningKey]:
    """Returns the keys that may have signed a token: those of the id that it names, and those without one."""
    kid = header.get("kid")
    return [key for key in keys if kid is None or key.kid in {None, kid}]
