"""When a certificate ends is told before nobody gets in any more, whether or not somebody comes in meanwhile."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from transport.certificate_expiry import watch_expiry
from transport.peer_tls import FollowedPeerTls
from transport.server_tls import FollowedTls
from transport.tls_settings import PeerTls, ServerTls

_DAY_S = 24 * 3600


@pytest.mark.parametrize(("days", "is_told"), [(20, False), (13, True), (-1, True)])
async def test_the_end_of_a_certificate_is_told(
    authority: Any,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    until: Callable[..., Awaitable[Any]],
    days: int,
    is_told: bool,
) -> None:
    monkeypatch.setattr("transport.certificate_expiry._LOOK_S", 0.01)
    ours = authority(tmp_path, "ours")
    own = ours.issue("own", days)
    noted_s: list[float] = []

    def note(file: str, expiry_s: float) -> None:
        assert file == str(own.certificate)
        noted_s.append(expiry_s)

    tls = FollowedTls(ServerTls(certificate=own.certificate, key=own.key), lambda *_: None)
    watch = asyncio.create_task(watch_expiry([None, tls], note))
    await until(lambda: len(noted_s) > 5)
    assert noted_s[0] == pytest.approx(time.time() + days * _DAY_S, abs=60)
    assert [record.message for record in caplog.records] == ["certificate ends soon"] * is_told

    key = own.key.read_bytes()
    ours.issue("own", 90)
    renewed_key = own.key.read_bytes()
    own.key.write_bytes(key)
    noted_s.clear()
    await until(lambda: len(noted_s) > 5)
    assert noted_s[-1] == pytest.approx(time.time() + days * _DAY_S, abs=60)  # which is still served
    own.key.write_bytes(renewed_key)
    await until(lambda: noted_s[-1] > time.time() + 80 * _DAY_S)
    watch.cancel()


async def test_the_end_of_a_certificate_for_other_processes_is_told(authority: Any, tmp_path: Path) -> None:
    """A connection that breaks after it is not made again."""
    ours = authority(tmp_path, "ours")
    own = ours.issue("own", 3)
    tls = FollowedPeerTls(PeerTls(ca=ours.certificate, certificate=own.certificate, key=own.key), lambda *_: None)
    noted: asyncio.Queue[tuple[str, float]] = asyncio.Queue()
    watch = asyncio.create_task(watch_expiry([tls], lambda *told: noted.put_nowait(told)))
    assert await noted.get() == (str(own.certificate), pytest.approx(time.time() + 3 * _DAY_S, abs=60))
    watch.cancel()


def test_a_certificate_that_has_ended_takes_the_place_of_no_good_one(authority: Any, tmp_path: Path) -> None:
    """As a renewal may put it in place that went wrong: nobody got a connection any more, days before that was due."""
    ours = authority(tmp_path, "ours")
    own = ours.issue("own", 3)
    unusable: list[bool] = []

    def note(_files: str, is_unusable: bool) -> None:
        unusable.append(is_unusable)

    followed = (
        FollowedTls(ServerTls(certificate=own.certificate, key=own.key), note),
        FollowedPeerTls(PeerTls(ca=ours.certificate, certificate=own.certificate, key=own.key), note),
    )
    for days, present in ((-1, 3), (5, 5)):
        ours.issue("own", days)
        assert [tls.expiry_s() for tls in followed] == [pytest.approx(time.time() + present * _DAY_S, abs=60)] * 2
    assert unusable == [False, False, True, True, False, False]


async def test_without_a_certificate_there_is_none(authority: Any, tmp_path: Path) -> None:
    anonymous = FollowedPeerTls(PeerTls(ca=authority(tmp_path, "ours").certificate), lambda *_: None)
    await watch_expiry([None, anonymous], lambda *_: pytest.fail("there is no certificate"))
