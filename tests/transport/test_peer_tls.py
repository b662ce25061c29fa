"""Channels to the other processes of the service."""

import asyncio
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import pytest

from transport import keepalive
from transport.peer_tls import FollowedPeerTls, connect
from transport.tls_settings import PeerTls
from transport.watched import UnusableFileError

_A = 1
_PATIENCE_S = 10.0
"""Far less than the half minute that gRPC takes by itself."""


class Names(threading.Thread):
    """A server of names, which all lead to one address."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.leads_to = ""
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.socket.getsockname()[1]}"

    def run(self) -> None:
        while True:
            query, asker = self.socket.recvfrom(512)
            if not query:
                return
            end = query.index(b"\0", 12) + 5
            question, (kind,) = query[12:end], struct.unpack("!H", query[end - 4 : end - 2])
            record = struct.pack("!HHHIH", 0xC00C, _A, 1, 0, 4) + socket.inet_aton(self.leads_to)
            records = [record] if kind == _A else []
            header = query[:2] + struct.pack("!HHHHH", 0x8180, 1, len(records), 0, 0)
            self.socket.sendto(header + question + b"".join(records), asker)


@pytest.fixture
def names() -> Iterator[Names]:
    names = Names()
    names.start()
    yield names
    names.socket.sendto(b"", names.socket.getsockname())
    names.join()
    names.socket.close()


async def test_a_name_that_leads_elsewhere_is_followed_within_seconds(names: Names) -> None:
    """As that of a pod which is replaced by another."""
    old, new = (grpc.aio.server() for _ in range(2))
    names.leads_to = "127.0.0.2"
    port = old.add_insecure_port("127.0.0.2:0")
    new.add_insecure_port(f"127.0.0.3:{port}")
    await old.start()
    await new.start()
    try:
        async with connect(f"dns://{names.address}/trainer:{port}") as channel:
            await asyncio.wait_for(channel.channel_ready(), 10)
            names.leads_to = "127.0.0.3"
            await old.stop(None)
            call = channel.unary_unary("/no/such", lambda _: b"", lambda _: None)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call(None, wait_for_ready=True, timeout=_PATIENCE_S)
    finally:
        await new.stop(None)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED  # so somebody answers


async def test_a_connection_that_falls_silent_is_lost(raw: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As that to a machine which has vanished: the next one leads to another, or to it when it is back."""
    soon = (("grpc.keepalive_time_ms", 100), ("grpc.http2.ping_timeout_ms", 100))
    monkeypatch.setattr(keepalive, "OF_CHANNELS", soon)
    with closing(raw.SilentServer()) as silent:
        async with connect(silent.address) as channel:
            call = channel.unary_unary("/no/such", lambda _: b"", lambda _: None)
            answer = asyncio.ensure_future(call(None, timeout=_PATIENCE_S))
            await asyncio.to_thread(silent.take)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await answer
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_credentials_stay_until_the_files_change_and_can_be_used(authority: Any, tmp_path: Path) -> None:
    ours = authority(tmp_path, "ours")
    own = ours.issue("own")
    noted: list[tuple[str, bool]] = []
    settings = PeerTls(ca=ours.certificate, certificate=own.certificate, key=own.key, name="localhost")
    tls = FollowedPeerTls(settings, lambda *told: noted.append(told))
    assert tls.name == "localhost"
    first = tls.credentials()
    own.key.write_bytes(b"")
    assert tls.credentials() is first
    ours.issue("own")
    renewed = tls.credentials()
    assert renewed is not first
    ours.certificate.write_bytes(b"")
    assert tls.credentials() is renewed
    authority(tmp_path, "ours")
    assert tls.credentials() not in {first, renewed}
    names = f"{ours.certificate}, {own.certificate}, {own.key}"
    assert noted == [(names, are_unusable) for are_unusable in (False, True, False, True, False)]


def test_files_that_cannot_be_used_are_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(UnusableFileError, match="cannot be read: No such file"):
        FollowedPeerTls(PeerTls(ca=tmp_path / "absent.pem"), lambda *_: None)
