"""A small document from a URL."""

import asyncio
import ssl
from urllib.parse import urlsplit

from aiohttp import ClientSession, ClientTimeout, InvalidURL
from braintumor.loopback import is_loopback

_MAX_BYTES = 2**20


async def download(url: str, timeout_s: float) -> bytes:
    """Returns what is at a URL. Follows no redirection: it could lead to plain http.

    What is on this machine is asked directly, all else through the proxy that the environment names.

    Args:
      url: http or https.
      timeout_s: within this time it has come, from the look-up of the name to the last byte, in seconds.

    Raises:
      ClientError, OSError, ValueError: it cannot be had, or has over a mebibyte.
    """
    # In a thread, since it reads hundreds of certificates; each time, since they may be others by now.
    context = await asyncio.to_thread(ssl.create_default_context)
    is_near = is_loopback(urlsplit(url).hostname or "")
    try:
        async with (
            ClientSession(timeout=ClientTimeout(timeout_s), trust_env=not is_near) as session,
            session.get(url, ssl=context, allow_redirects=False) as answer,
        ):
            if answer.status != 200:
                raise ValueError(f"the answer is {answer.status} {answer.reason}")
            content = b""
            async for part in answer.content.iter_any():
                content += part
                if len(content) > _MAX_BYTES:
                    raise ValueError(f"it has over {_MAX_BYTES} bytes")
            return content
    except InvalidURL:
        # Without the error, which quotes it with its password.
        raise ValueError("it, or the proxy in the environment, is no URL, such as http://proxy.example:3128") from None
    except TimeoutError as err:
        raise TimeoutError(f"it takes more than {timeout_s:g} s") from err
