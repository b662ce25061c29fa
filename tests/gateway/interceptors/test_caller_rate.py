"""Pace of streams."""

import asyncio

import pytest

from gateway.interceptors.caller_rate import CallerRateInterceptor


async def test_a_stream_that_is_cancelled_as_it_waits_gives_its_token_back():
    interceptor = CallerRateInterceptor(1, 1)

    async def images():
        while True:
            yield "image"

    async def read_all():
        async for _ in interceptor._paced(images(), None):
            pass

    for _ in range(5):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(read_all(), 0.02)
    assert interceptor._images.reserve("") < 1
