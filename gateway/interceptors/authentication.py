"""Interceptor that lets in whoever is known and may do what he asks for."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import grpc

from gateway import caller
from gateway.auth.api_keys import ApiKeys
from gateway.auth.authenticator import Authenticator, SignedTokens
from gateway.auth.rights import Access, access_to
from gateway.backlog import OutlookOf
from gateway.errors import RightMissingError
from gateway.interceptors.around import AroundInterceptor
from gateway.settings import JwtSettings, Settings


class AuthenticationInterceptor(AroundInterceptor):
    """Checks tokens and rights where the settings name API keys or an issuer, and lets everybody in where not.

    Raises:
      UnusableFileError: the keys that they name cannot be used.
    """

    def __init__(self, settings: Settings, outlook: OutlookOf) -> None:
        super().__init__(settings, outlook)
        self._authenticator = _authenticator(settings)

    def around(self, method: str, context: grpc.aio.ServicerContext[Any, Any]) -> AbstractAsyncContextManager[None]:
        """Makes the name of a caller who is known the call's, and refuses one who may not make it."""
        return _Admitted(self._authenticator, method, context)


class _Admitted:
    def __init__(
        self, authenticator: Authenticator | None, method: str, context: grpc.aio.ServicerContext[Any, Any]
    ) -> None:
        self._authenticator = authenticator
        self._method = method
        self._context = context

    async def __aenter__(self) -> None:
        access = access_to(self._method)
        if self._authenticator is None or access is Access.OPEN:
            return
        identity = await self._authenticator.identify(self._context.invocation_metadata() or ())
        caller.current.set(identity.name)
        if access is not Access.KNOWN and access not in identity.rights:
            raise RightMissingError(
                f"{identity.name} has not been given the right {access.value}, which this call needs."
            )

    async def __aexit__(self, *_: object) -> None:
        pass


def _authenticator(settings: Settings) -> Authenticator | None:
    if settings.api_keys is None and settings.jwt is None:
        return None
    api_keys = ApiKeys(settings.api_keys) if settings.api_keys else None
    return Authenticator(api_keys, _signed_tokens(settings.jwt) if settings.jwt else None)


def _signed_tokens(settings: JwtSettings) -> SignedTokens:
    # Not above: with them come PyJWT and cryptography, which a gateway without JWT does without.
    from gateway.auth import signed_tokens
    from gateway.auth.key_sources import KeyFile, KeyUrl

    keys = KeyUrl(settings.keys) if "://" in settings.keys else KeyFile(Path(settings.keys))
    return signed_tokens.SignedTokens(keys, settings.issuer, settings.audience)
