"""What is at a URL comes whole, over TLS, and by the way that it should; or it is said why not."""

import asyncio
import contextlib
import ssl
import traceback

import pytest
from aiohttp import ClientConnectorCertificateError, ClientError, ClientHttpProxyError

from gateway.auth.download import download

_TIMEOUT_S = 10.0


@contextlib.asynccontextmanager
async def _listening(answer, context=None):
    """A server that has each connection answered; yields its port, and what was asked."""
    asked, ended = [], []

    async def handle(reader, writer):
        ended.append(asyncio.current_task())
        asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
        with contextlib.suppress(OSError):  # whoever asked has had enough
            await answer(reader, writer)
        writer.transport.abort()

    async with await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1], asked
        await asyncio.gather(*ended)


def _serving(answer, context=None):
    async def told(_, writer):
        writer.write(answer)
        writer.close()
        await writer.wait_closed()

    return _listening(told, context)


def _proxy(behind):
    async def passed_on(reader, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nVia: us\r\n\r\n")
        onward = await asyncio.open_connection("127.0.0.1", behind)
        await asyncio.gather(_copy(reader, onward[1]), _copy(onward[0], writer))

    return _listening(passed_on)


async def _copy(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()


@pytest.fixture
def trusted(tmp_path, authority, monkeypatch):
    """TLS of a server whose authority the environment names."""
    ca = authority(tmp_path, "authority")
    own = ca.issue("own")
    monkeypatch.setenv("SSL_CERT_FILE", str(ca.certificate))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(own.certificate, own.key)
    return context


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + b"keys" * 75_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n493e0\r\n" + b"keys" * 75_000 + b"\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n" + b"keys" * 75_000,
    ],
)
async def test_it_comes_over_tls(trusted, answer):
    async with _serving(answer, trusted) as (port, asked):
        assert await download(f"https://localhost:{port}/a/jwks?of=us", _TIMEOUT_S) == b"keys" * 75_000
    assert asked[0].splitlines()[0] == "GET /a/jwks?of=us HTTP/1.1"


async def test_whose_certificate_is_of_an_unknown_authority_is_not_asked(trusted, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    async with _serving(b"", trusted) as (port, asked):
        with pytest.raises(ClientConnectorCertificateError):
            await download(f"https://localhost:{port}/", _TIMEOUT_S)
    assert asked == []


async def test_what_is_elsewhere_comes_through_the_proxy(trusted, monkeypatch):
    async with _serving(b"HTTP/1.1 200 OK\r\n\r\nkeys", trusted) as (port, _), _proxy(port) as (proxy, heads):
        monkeypatch.setenv("https_proxy", f"http://me:my%20word@127.0.0.1:{proxy}")
        assert await download("https://issuer.example/jwks", _TIMEOUT_S) == b"keys"
    (head,) = heads
    assert head.splitlines()[0] == "CONNECT issuer.example:443 HTTP/1.1"
    assert "Proxy-Authorization: Basic bWU6bXkgd29yZA==\r\n" in head


async def test_a_proxy_that_refuses_is_told(monkeypatch):
    async with _serving(b"HTTP/1.1 407 Login\r\n\r\n") as (proxy, _):
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy}")
        with pytest.raises(ClientHttpProxyError, match="407"):
            await download("https://issuer.example/jwks", _TIMEOUT_S)


async def test_a_proxy_that_is_no_url_is_told_without_its_password(monkeypatch):
    monkeypatch.setenv("https_proxy", "me:secret@proxy.example:3128")
    with pytest.raises(ValueError, match="the proxy in the environment, is no URL") as caught:
        await download("https://issuer.example/jwks", _TIMEOUT_S)
    assert "secret" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", ValueError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nkeys", ClientError),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"keys" * 2**18 + b"s", ValueError),
        (b"hello", ClientError),
        (b"", ClientError),
    ],
)
async def test_another_answer_is_none(answer, error):
    async with _serving(answer) as (port, _):
        with pytest.raises(error):
            await download(f"http://127.0.0.1:{port}/jwks", _TIMEOUT_S)
