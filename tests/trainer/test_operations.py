"""Operations survive a restart, and each ends in exactly one way."""

import asyncio
import sqlite3
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from trainer.errors import (
    DiskFullError,
    OperationNotFoundError,
    OperationUnfinishedError,
    QueueFullError,
    RequestIdReusedError,
    StoppingError,
    StoreError,
    TrainerError,
)
from trainer.figures import EpochMetrics, Evaluation
from trainer.jobs.operation import Failure, Operation, Order, Outcome, Progress, State, Step
from trainer.operations import Operations

_METRICS = EpochMetrics(0.5, 0.75, 0.25, 1.0)
_OUTCOME = Outcome(
    metrics=_METRICS, evaluation=Evaluation(4, 1, 1, 1, 1, 2, 0, 2, 0), version=2, blessed=False, reasons=("forced",)
)


async def test_an_operation_is_the_same_after_a_restart(opened: Any, tmp_path: Path, order: Order) -> None:
    progress = Progress(step=Step.TRAIN, epoch=2, metrics=_METRICS, fraction=0.5)
    async with opened(tmp_path) as operations:
        succeeded, failed = [(await operations.add(order, "", 9)).operation_id for _ in range(2)]
        await operations.begin(succeeded)
        await operations.note(succeeded, progress)
        await operations.end(succeeded, State.SUCCEEDED, result=_OUTCOME)
        failure = Failure(status_code="INTERNAL", reason="INTERNAL", message="broken")
        await operations.end(failed, State.FAILED, result=failure)
        before = [await operations.get(identity) for identity in (succeeded, failed)]

    async with opened(tmp_path) as operations:
        assert [await operations.get(identity) for identity in (succeeded, failed)] == before
        assert (before[0].progress, before[0].result, before[1].result) == (progress, _OUTCOME, failure)
        assert before[0].created_s <= (before[0].started_s or 0) <= (before[0].ended_s or 0)


def test_a_failure_of_before_its_delay_was_kept_can_be_read() -> None:
    row = '{"status_code": "RESOURCE_EXHAUSTED", "reason": "DISK_FULL", "message": "full"}'

    assert TypeAdapter(Failure).validate_json(row).retry_after_s is None


def test_a_failure_is_told_in_few_words() -> None:
    """Names in a label file may be megabytes, and no report of a job is."""
    told = Failure.of(TrainerError("n" * 2_000_000)).message
    assert len(told.encode()) <= 1024


async def test_times_follow_each_other_although_the_clock_is_put_back(
    opened: Any, tmp_path: Path, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path) as operations:
        identity = (await operations.add(order, "", 9)).operation_id
        monkeypatch.setattr("trainer.operations.time.time", lambda: 0.0)
        await operations.begin(identity)
        await operations.end(identity, State.CANCELLED)
        operation = await operations.get(identity)
    assert operation.created_s == operation.started_s == operation.ended_s


async def test_only_the_first_of_two_ends_counts(opened: Any, tmp_path: Path, order: Order) -> None:
    async with opened(tmp_path) as operations:
        identity = (await operations.add(order, "", 9)).operation_id

        ends = (State.SUCCEEDED, State.FAILED, State.CANCELLED)
        results = await asyncio.gather(*(operations.end(identity, state) for state in ends))

        assert sorted(results) == [False, False, True]
        assert (await operations.get(identity)).state is ends[results.index(True)]
        assert not await operations.begin(identity)
        assert not await operations.note(identity, Progress(fraction=0.9))


async def test_an_operation_that_is_taken_up_again_started_when_it_first_did(
    opened: Any, tmp_path: Path, order: Order
) -> None:
    async with opened(tmp_path) as operations:
        identity = (await operations.add(order, "", 9)).operation_id
        await operations.begin(identity)
        started_s = (await operations.get(identity)).started_s
        await operations.begin(identity)

        assert (await operations.get(identity)).started_s == started_s


async def test_the_interrupted_one_comes_first_and_then_the_oldest(opened: Any, tmp_path: Path, order: Order) -> None:
    async with opened(tmp_path) as operations:
        first, second, third = [(await operations.add(order, "", 9)).operation_id for _ in range(3)]
        await operations.begin(second)
        turns = []
        while (operation := await operations.next_unfinished()) is not None:
            turns.append(operation.operation_id)
            await operations.end(operation.operation_id, State.FAILED)

        assert turns == [second, first, third]


async def test_a_request_id_is_one_operation(opened: Any, tmp_path: Path, order: Order) -> None:
    async with opened(tmp_path) as operations:
        same = await asyncio.gather(*(operations.add(order, "mine", 9) for _ in range(5)))

        assert len({operation.operation_id for operation in same}) == 1
        assert await operations.of_request(order, "mine") == same[0]
        with pytest.raises(RequestIdReusedError):
            await operations.add(replace(order, epochs=3), "mine", 9)
        assert (await operations.add(order, "", 9)).operation_id != (await operations.add(order, "", 9)).operation_id


async def test_what_is_beyond_the_capacity_is_refused_but_for_known_request_ids(
    opened: Any, tmp_path: Path, order: Order
) -> None:
    async with opened(tmp_path) as operations:
        known = await operations.add(order, "mine", 2)
        await operations.add(order, "", 2)

        with pytest.raises(QueueFullError, match="1 jobs wait"):
            await operations.add(order, "", 2)
        assert await operations.add(order, "mine", 2) == known
        await operations.end(known.operation_id, State.CANCELLED)
        await operations.add(order, "", 2)


async def test_only_what_has_ended_can_be_removed_and_stays_so(opened: Any, tmp_path: Path, order: Order) -> None:
    async with opened(tmp_path) as operations:
        identity = (await operations.add(order, "mine", 9)).operation_id
        with pytest.raises(OperationUnfinishedError):
            await operations.remove(identity)
        await operations.end(identity, State.CANCELLED)
        await operations.remove(identity)

        for call in (operations.get, operations.remove):
            with pytest.raises(OperationNotFoundError, match="does not exist; the list of jobs tells which do"):
                await call(identity)
        assert await operations.of_request(order, "mine") is None

    async with opened(tmp_path) as operations:
        assert await operations.newest(None, 9, 9) == []


async def test_pages_go_from_new_to_old_and_know_what_is_done(opened: Any, tmp_path: Path, order: Order) -> None:
    async with opened(tmp_path) as operations:
        made = [(await operations.add(order, "", 9)).operation_id for _ in range(5)]
        await operations.end(made[1], State.FAILED)

        page = await operations.newest(None, 2**63 - 1, 2)
        rest = await operations.newest(None, page[-1][0] - 1, 9)
        assert [operation.operation_id for _, operation in page + rest] == made[::-1]
        assert [operation.operation_id for _, operation in await operations.newest(True, 2**63 - 1, 9)] == [made[1]]
        assert len(await operations.newest(False, 2**63 - 1, 9)) == 4


async def test_a_follower_sees_the_present_then_the_newest_then_the_end(
    opened: Any, tmp_path: Path, order: Order
) -> None:
    async with opened(tmp_path) as operations:
        identity = (await operations.add(order, "", 9)).operation_id
        seen = operations.follow(identity)
        assert (await anext(seen)).state is State.QUEUED
        await operations.begin(identity)
        for epoch in range(1, 50):
            await operations.note(identity, Progress(epoch=epoch))
        assert (await anext(seen)).progress.epoch == 49
        await operations.end(identity, State.SUCCEEDED, result=_OUTCOME)
        assert [operation.state async for operation in seen] == [State.SUCCEEDED]


async def test_a_follower_wakes_for_a_change_whose_caller_has_gone(
    opened: Any, tmp_path: Path, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path) as operations:
        identity = (await operations.add(order, "", 9)).operation_id
        ended = asyncio.create_task(operations.ended(identity))
        begun, may_go_on = threading.Event(), threading.Event()
        change = operations._store.change

        def slow_change(*args: Any) -> bool:
            begun.set()
            may_go_on.wait(10)
            return change(*args)

        monkeypatch.setattr(operations._store, "change", slow_change)
        caller = asyncio.create_task(operations.end(identity, State.CANCELLED))
        await asyncio.to_thread(begun.wait, 10)
        caller.cancel()
        may_go_on.set()

        assert (await asyncio.wait_for(ended, 10)).state is State.CANCELLED


async def test_followers_end_when_the_trainer_stops(opened: Any, tmp_path: Path, order: Order) -> None:
    async with opened(tmp_path) as operations:
        ended = asyncio.create_task(operations.ended((await operations.add(order, "", 9)).operation_id))
        await asyncio.sleep(0)
        operations.stop_following()

        with pytest.raises(StoppingError):
            await ended


async def test_a_locked_database_is_told_and_leaves_all_as_it_was(opened: Any, tmp_path: Path, order: Order) -> None:
    async with opened(tmp_path) as operations:
        identity = (await operations.add(order, "", 9)).operation_id
        other = sqlite3.connect(tmp_path / "trainer.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked"):
            await operations.begin(identity)
        other.execute("ROLLBACK")
        other.close()

        assert (await operations.get(identity)).state is State.QUEUED
        assert await operations.begin(identity)


async def test_a_full_disk_is_told_and_leaves_all_as_it_was(opened: Any, tmp_path: Path, order: Order) -> None:
    async with opened(tmp_path) as operations:
        identity = (await operations.add(order, "", 9)).operation_id
        await _limit_pages(operations, 1)
        before = await operations.get(identity)
        reasons = tuple("x" * 1000 for _ in range(20))
        with pytest.raises(DiskFullError):
            await operations.end(identity, State.SUCCEEDED, result=replace(_OUTCOME, reasons=reasons))
        assert await operations.get(identity) == before

        await _limit_pages(operations, 2**30)
        assert await operations.end(identity, State.SUCCEEDED, result=replace(_OUTCOME, reasons=reasons))


async def _limit_pages(operations: Operations, pages: int) -> None:
    """SQLite takes a database that may not grow for a full disk."""
    await operations._run(operations._store._database.execute, f"PRAGMA max_page_count = {pages}")


async def test_a_database_that_is_removed_takes_nothing_that_would_be_lost(
    opened: Any, tmp_path: Path, order: Order
) -> None:
    database, away = tmp_path / "trainer.db", tmp_path / "away.db"
    async with opened(tmp_path) as operations:
        before = await operations.add(order, "", 9)
        database.rename(away)
        for _ in ("removed", "replaced"):
            with pytest.raises(StoreError, match=r"trainer\.db was removed or replaced; put it back"):
                await operations.add(order, "", 9)
            database.touch()
        assert await operations.get(before.operation_id) == before
        away.replace(database)
        after = await operations.add(order, "", 9)

    async with opened(tmp_path) as operations:
        assert [operation for _, operation in await operations.newest(None, 9, 9)] == [after, before]


def test_an_operation_has_no_result_before_its_end(order: Order) -> None:
    operation = Operation(operation_id="1", order=order, state=State.RUNNING, created_s=0.0)

    assert operation.result is None
    assert not operation.state.is_final
