"""Interceptor that lets in whoever is known and may do what they ask for."""

import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from gateway import caller
from gateway.auth.api_keys import ApiKeys
from gateway.auth.authenticator import Authenticator, TokenCheck
from gateway.auth.rights import Access, access_to
from gateway.caller_rate import CallerRate
from gateway.errors import GatewayError, RightMissingError
from gateway.interceptors.around import BeforeInterceptor, Context
from gateway.interceptors.wrapping import Handler, with_requests
from gateway.settings import JwtSettings, Settings

_TOLD_A_SECOND, _TOLD_AT_ONCE = 1.0, 10.0
"""Refusals of one caller that are logged: nobody shall fill the log with them."""

_logger = logging.getLogger(__name__)


class AuthenticationInterceptor(BeforeInterceptor):
    """Checks tokens and rights, and logs who is refused.

    Args:
      authenticator: tells who calls.
    """

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator
        self._told = CallerRate(_TOLD_A_SECOND, _TOLD_AT_ONCE)

    def wrap(self, method: str, handler: Handler) -> Handler:
        """Returns a handler that asks at the beginning, and again for each request of a stream."""
        if access_to(method) is Access.OPEN:
            return handler
        # Not by the requests alone: ReceivingInterceptor has made a stream of the one request of other calls.
        if handler.request_streaming and handler.response_streaming:

            async def checked(requests: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
                async for request in requests:
                    await self.before(method, context)
                    yield request

            handler = with_requests(handler, checked)
        return super().wrap(method, handler)

    async def before(self, method: str, context: Context) -> None:
        """Makes the name of a caller who is known the call's, and refuses one who may not make it."""
        try:
            await self._admit(method, context)
        except GatewayError as err:
            self._tell(method, err)
            raise

    async def _admit(self, method: str, context: Context) -> None:
        identity = await self._authenticator.identify(context.invocation_metadata() or ())
        caller.current.set(identity.name)
        access = access_to(method)
        if access is not Access.KNOWN and access not in identity.rights:
            raise RightMissingError(
                f"{identity.name} has not been given the right {access.value}, which this call needs."
            )

    def _tell(self, method: str, err: GatewayError) -> None:
        name = caller.current.get()
        if self._told.take(name) == 0:
            # Of what is wrong with a token only its kind: the text may quote it.
            problem = type(err.__cause__).__name__ if err.__cause__ else None
            told = {"method": method.removeprefix("/"), "reason": err.reason, "problem": problem, "caller": name}
            _logger.info("caller refused", extra=told)


def authentication_of(settings: Settings) -> AuthenticationInterceptor | None:
    """Returns one that goes by the API keys or the issuer that the settings name; None where they name neither.

    Raises:
      UnusableFileError: the keys cannot be used.
    """
    if settings.api_keys is None and settings.jwt is None:
        return None
    api_keys = ApiKeys(settings.api_keys) if settings.api_keys else None
    signed_tokens = _signed_tokens(settings.jwt) if settings.jwt else None
    return AuthenticationInterceptor(Authenticator(api_keys, signed_tokens))


def _signed_tokens(settings: JwtSettings) -> TokenCheck:
    # Not above: with them come PyJWT and cryptography, which a gateway without JWT does without.
    from gateway.auth.key_sources import KeyFile, KeySource
    from gateway.auth.signed_tokens import SignedTokens

    keys: KeySource
    if "://" in settings.keys:
        from gateway.auth.key_url import KeyUrl  # with it comes aiohttp

        keys = KeyUrl(settings.keys)
    else:
        keys = KeyFile(Path(settings.keys))
    return SignedTokens(keys, settings.issuer, settings.audience)
