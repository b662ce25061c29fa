"""Work that goes on beside a block."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager

from transport.news import News

_logger = logging.getLogger(__name__)


@asynccontextmanager
async def in_background(work: Coroutine[object, object, None]) -> AsyncIterator[None]:
    """Does some work while the block lasts; it is cancelled at the end, and has ended then.

    Work that ends before by an error is logged, and the block goes on.
    """
    working = asyncio.create_task(work)
    working.add_done_callback(_tell_error)
    try:
        yield
    finally:
        working.cancel()
        await asyncio.wait([working])


def _tell_error(working: asyncio.Task[None]) -> None:
    if not working.cancelled() and (error := working.exception()):
        _logger.error("background work ended by an error", exc_info=error)


async def every(interval_s: float, step: Callable[[], Awaitable[None]]) -> None:
    """Takes a step and waits, again and again, until it is cancelled.

    A step that fails is logged, and the next one is taken all the same. One error after the other of the same text is
    told once.
    """
    news = News()
    while True:
        try:
            await step()
        except Exception as err:
            if news.is_news(repr(err)):
                _logger.exception("step failed", extra={"problem": repr(err)})
        else:
            news.is_news("")
        await asyncio.sleep(interval_s)
