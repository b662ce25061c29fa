"""A trainer.db that cannot be used is told with what to do."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from trainer.errors import StoreError
from trainer.jobs.operation import Order
from trainer.operations import Operations

_REMEDY = r"is damaged, or another program's: .*; stop the trainer and put a copy of it back, or remove"


async def test_no_database_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "trainer.db").write_text("this is no database, but a text of a kilobyte. " * 30)
    operations = Operations(tmp_path / "trainer.db")

    with pytest.raises(StoreError, match=_REMEDY):
        await operations.open()


async def test_tables_of_another_program_are_told_with_what_to_do(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "trainer.db")) as database:
        database.execute("CREATE TABLE operations (id INTEGER)")
    operations = Operations(tmp_path / "trainer.db")
    await operations.open()

    with pytest.raises(StoreError, match=_REMEDY):
        await operations.newest()
    await operations.close()


async def test_an_operation_that_cannot_be_read_is_told_and_logged_with_what_to_do(
    tmp_path: Path, order: Order, caplog: pytest.LogCaptureFixture
) -> None:
    operations = Operations(tmp_path / "trainer.db")
    await operations.open()
    for _ in range(2):
        await operations.add(order, "", 2)
    with sqlite3.connect(tmp_path / "trainer.db") as database:
        database.execute("UPDATE operations SET content = '{}' WHERE sequence = 2")

    with pytest.raises(StoreError, match=r"the content of an operation is damaged.*; the log has it, and the remedy$"):
        await operations.newest()
    (record,) = caplog.records
    assert record.content == "{}"  # type: ignore[attr-defined]  # of extra
    remedy = str(record.remedy).partition("run in it: ")[2]  # type: ignore[attr-defined]  # the same
    with sqlite3.connect(tmp_path / "trainer.db") as database:
        database.execute(remedy)
    assert [sequence for sequence, _ in await operations.newest()] == [1]
    await operations.close()
