"""Interceptor that lets in whoever is known and may do what he asks for."""

from collections.abc import AsyncIterator, Coroutine
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, TypeAlias

import grpc

from gateway import caller
from gateway.auth.api_keys import ApiKeys
from gateway.auth.authenticator import Authenticator, SignedTokens
from gateway.auth.rights import Access, access_to
from gateway.backlog import OutlookOf
from gateway.errors import RightMissingError
from gateway.interceptors.around import AroundInterceptor
from gateway.interceptors.wrapping import Handler, behaviour_of, made_like, with_requests
from gateway.settings import JwtSettings, Settings

_Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]


class AuthenticationInterceptor(AroundInterceptor):
    """Checks tokens and rights where the settings name API keys or an issuer, and lets everybody in where not.

    Raises:
      UnusableFileError: the keys that they name cannot be used.
    """

    def __init__(self, settings: Settings, outlook: OutlookOf) -> None:
        super().__init__(settings, outlook)
        self._authenticator = _authenticator(settings)

    def wrap(self, method: str, handler: Handler) -> Handler:
        """Returns a handler that asks at the beginning, and again for each request of a stream."""
        if self._authenticator is None or access_to(method) is Access.OPEN:
            return handler
        # One request looks like a stream of them by now: see ReceivingInterceptor.
        if handler.request_streaming and handler.response_streaming:

            async def checked(requests: AsyncIterator[Any], context: _Context) -> AsyncIterator[Any]:
                async for request in requests:
                    await self._check(method, context)
                    yield request

            handler = made_like(handler, with_requests(checked, behaviour_of(handler)), handler.request_deserializer)
        return super().wrap(method, handler)

    def around(self, method: str, context: _Context) -> AbstractAsyncContextManager[None]:
        """Makes the name of a caller who is known the call's, and refuses one who may not make it."""
        return _Checked(self._check(method, context))

    async def _check(self, method: str, context: _Context) -> None:
        if self._authenticator is None:
            raise AssertionError("handlers are wrapped only where there is one")
        identity = await self._authenticator.identify(context.invocation_metadata() or ())
        caller.current.set(identity.name)
        access = access_to(method)
        if access is not Access.KNOWN and access not in identity.rights:
            raise RightMissingError(
                f"{identity.name} has not been given the right {access.value}, which this call needs."
            )


class _Checked:
    def __init__(self, check: Coroutine[Any, Any, None]) -> None:
        self._check = check

    async def __aenter__(self) -> None:
        await self._check

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
