"""Finds out who calls."""

from collections.abc import Iterable
from typing import Protocol

from gateway.auth.api_keys import ApiKeys
from gateway.auth.identity import Identity
from gateway.errors import CredentialsMissingError, TokenInvalidError

_METADATA_KEY = "authorization"
_SCHEME = "bearer"


class TokenCheck(Protocol):
    """Tells callers by tokens that an issuer has signed: gateway.auth.signed_tokens, which brings PyJWT with it."""

    async def identify(self, token: str) -> Identity:
        """Returns whose token that is."""


class Authenticator:
    """Tells callers by the token in `authorization: Bearer …`: a JWT where it has dots, else an API key."""

    def __init__(self, api_keys: ApiKeys | None, signed_tokens: TokenCheck | None) -> None:
        self._api_keys = api_keys
        self._signed_tokens = signed_tokens

    async def identify(self, metadata: Iterable[tuple[str, str | bytes]]) -> Identity:
        """Returns who makes a call with such metadata.

        Raises:
          CredentialsMissingError, TokenInvalidError, TokenExpiredError, KeysUnavailableError: as they say.
        """
        token = _token(metadata)
        if "." in token:
            if self._signed_tokens:
                return await self._signed_tokens.identify(token)
        elif self._api_keys and (identity := self._api_keys.find(token)):
            return identity
        raise TokenInvalidError("The token is not valid here.")


def _token(metadata: Iterable[tuple[str, str | bytes]]) -> str:
    for key, value in metadata:
        if key == _METADATA_KEY:
            scheme, _, token = str(value).partition(" ")
            if scheme.lower() == _SCHEME and token:
                return token.strip()
    raise CredentialsMissingError('The call carries no token; send it in the metadata, as "authorization: Bearer …".')
