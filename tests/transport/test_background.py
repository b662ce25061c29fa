"""Work beside a block, and steps that are taken again and again."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from transport.background import every, in_background


async def test_work_ends_with_its_block() -> None:
    ended = False

    async def work() -> None:
        nonlocal ended
        try:
            await asyncio.Event().wait()
        finally:
            ended = True

    async with in_background(work()):
        await asyncio.sleep(0)
        assert not ended
    assert ended


async def test_work_that_fails_is_told_and_the_block_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        raise ZeroDivisionError("by nothing")

    async with in_background(work()):
        await asyncio.sleep(0.01)
    assert "by nothing" in caplog.text


async def test_a_step_that_fails_is_told_once_for_each_error(
    caplog: pytest.LogCaptureFixture, until: Callable[..., Awaitable[Any]]
) -> None:
    outcomes = iter(["one", "one", "", "one", "other", "other"])
    taken = 0

    async def step() -> None:
        nonlocal taken
        taken += 1
        if problem := next(outcomes, ""):
            raise ValueError(problem)

    async with in_background(every(0.001, step)):
        await until(lambda: taken > 6)
    assert [record.__dict__["problem"] for record in caplog.records] == [
        "ValueError('one')",
        "ValueError('one')",
        "ValueError('other')",
    ]
