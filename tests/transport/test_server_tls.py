"""A port with TLS tells when its certificate ends, before nobody gets in any more."""

import time
from pathlib import Path
from typing import Any

import grpc
import pytest

from transport.server_tls import listen
from transport.tls_settings import ServerTls

_DAY_S = 24 * 3600


@pytest.mark.parametrize(("days", "is_told"), [(20, False), (13, True), (-1, True)])
async def test_the_end_of_a_certificate_is_told(
    authority: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture, days: int, is_told: bool
) -> None:
    own = authority(tmp_path, "ours").issue("own", days)
    noted_s: list[float] = []
    server = grpc.aio.server()
    listen(server, "127.0.0.1:0", ServerTls(certificate=own.certificate, key=own.key), noted_s.append)
    await server.stop(None)

    assert noted_s == [pytest.approx(time.time() + days * _DAY_S, abs=60)]
    assert [record.message for record in caplog.records] == ["certificate ends soon"] * is_told


async def test_without_tls_there_is_none() -> None:
    noted_s: list[float] = []
    server = grpc.aio.server()
    listen(server, "127.0.0.1:0", None, noted_s.append)
    await server.stop(None)
    assert noted_s == []
