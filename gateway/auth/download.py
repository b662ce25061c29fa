"""A small document from a URL, by a time: urllib's limit begins anew with each byte that comes."""

import asyncio
import ssl
from base64 import b64encode
from http.client import HTTPException, HTTPResponse
from io import BytesIO
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

from braintumor.loopback import is_loopback

_MAX_BYTES = 2**20
_PORTS = {"http": 80, "https": 443}


async def download(url: str, timeout_s: float) -> bytes:
    """Returns what is at a URL. Follows no redirection: it could lead to plain http.

    What is on this machine is asked directly, all else through the proxy that the environment names.

    Args:
      url: http or https.
      timeout_s: within this time it has come, from the look-up of the name to the last byte, in seconds.

    Raises:
      OSError, HTTPException, ValueError: it cannot be had, or has over a mebibyte.
    """
    try:
        async with asyncio.timeout(timeout_s):
            return _content(await _answer(urlsplit(url)))
    except TimeoutError as err:
        raise TimeoutError(f"it takes more than {timeout_s:g} s") from err


async def _answer(url: SplitResult) -> bytes:
    proxy = _proxy_of(url)
    nearest = proxy or url
    port = nearest.port or _PORTS.get(nearest.scheme, _PORTS["http"])
    reader, writer = await asyncio.open_connection(nearest.hostname, port, limit=_MAX_BYTES)
    try:
        if proxy:
            await _lead_through(proxy, url.netloc if url.port else f"{url.netloc}:{_PORTS[url.scheme]}", reader, writer)
        if url.scheme == "https":
            # In a thread, since it reads hundreds of certificates; each time, since they may be others by now.
            context = await asyncio.to_thread(ssl.create_default_context)
            await writer.start_tls(context, server_hostname=url.hostname)
        path = urlunsplit(("", "", url.path or "/", url.query, ""))
        writer.write(_request(f"GET {path}", url.netloc, "User-Agent: braintumor-gateway", "Connection: close"))
        await reader.readexactly(_MAX_BYTES)
    except asyncio.IncompleteReadError as err:
        return err.partial
    finally:
        writer.transport.abort()
    raise ValueError(f"it has over {_MAX_BYTES} bytes")


def _proxy_of(url: SplitResult) -> SplitResult | None:
    proxy = getproxies().get(url.scheme)
    if not proxy or is_loopback(url.netloc) or proxy_bypass(url.netloc):
        return None
    return urlsplit(proxy if "://" in proxy else f"//{proxy}")


async def _lead_through(
    proxy: SplitResult, authority: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Has a proxy pass on what follows. Source: RFC 9110, section 9.3.6."""
    login = b64encode(f"{unquote(proxy.username or '')}:{unquote(proxy.password or '')}".encode()).decode()
    headers = [f"Proxy-Authorization: Basic {login}"] if proxy.username else []
    writer.write(_request(f"CONNECT {authority}", authority, *headers))
    status = await reader.readline()
    while (await reader.readline()).strip():
        pass
    if status.split()[1:2] != [b"200"]:
        raise OSError(f"the proxy {proxy.hostname} refuses: {status.decode(errors='replace').strip()}")


def _request(what: str, host: str, *headers: str) -> bytes:
    return "".join(f"{line}\r\n" for line in (f"{what} HTTP/1.1", f"Host: {host}", *headers, "")).encode("ascii")


class _Received:
    """An answer that is there, where http.client wants a socket."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def makefile(self, _mode: str) -> BytesIO:
        return BytesIO(self._answer)


def _content(answer: bytes) -> bytes:
    response = HTTPResponse(_Received(answer))  # type: ignore[arg-type]  # it asks for nothing but the file
    response.begin()
    if response.status != 200:
        raise HTTPException(f"the answer is {response.status} {response.reason}")
    return response.read()
