"""Which images are taken on."""

from contextlib import ExitStack

import pytest

from gateway.admission import Admission
from gateway.caller import current as current_caller
from gateway.errors import DeadlineUnreachableError, QueueFullError
from gateway.outlook import Outlook
from gateway.room import Room


@pytest.fixture
def room():
    return Room(10, 100)


def _admission(room, wait_s=0.0, work_s=0.0):
    return Admission(room, lambda: Outlook(wait_s, work_s))


def test_what_there_is_no_room_for_is_refused(room):
    admission = _admission(room)
    for _ in range(10):
        admission.check(10)
        room.enter(1)
    with pytest.raises(QueueFullError, match="10 images"):
        admission.check(10)
    with pytest.raises(QueueFullError, match="10 images"), admission.admitted(1):
        pass
    assert room.images == 10


def test_nobody_takes_all_the_room_from_others():
    admission = _admission(Room(90, 900))
    with ExitStack() as in_work:
        for name, images in {"first": 80, "second": 9}.items():
            current_caller.set(name)
            for _ in range(images):
                in_work.enter_context(admission.admitted(1))
            with pytest.raises(QueueFullError):
                admission.check(10)
        current_caller.set("third")
        admission.check(10)
    current_caller.set("first")
    admission.check(10)


def test_what_there_are_no_bytes_for_is_refused(room):
    room.enter(60)
    admission = _admission(room)
    with admission.admitted(40):
        assert room.images == 2
        with pytest.raises(QueueFullError, match="100 bytes"), admission.admitted(1):
            pass
    assert room.images == 1
    with admission.admitted(40):
        pass


def test_what_would_be_late_is_refused_and_told_when_to_come_back(room):
    admission = _admission(room, wait_s=6.0, work_s=2.0)
    with pytest.raises(DeadlineUnreachableError) as refused:
        admission.check(4.0)
    assert refused.value.retry_after_s == pytest.approx(8 * 1.5 - 4)
    admission.check(12.1)


def test_a_caller_in_a_hurry_is_told_how_much_time_it_lacks(room):
    with pytest.raises(DeadlineUnreachableError, match="about 45 ms at present, the call has 30 ms;"):
        _admission(room, wait_s=0.02, work_s=0.01).check(0.03)


def test_what_need_not_wait_is_always_taken_on(room):
    _admission(room, work_s=100.0).check(0.001)


def test_what_fails_leaves_its_room(room):
    with pytest.raises(ValueError, match="bad image"), _admission(room).admitted(30):
        raise ValueError("bad image")
    assert room.images == 0
    room.enter(100)  # all bytes are there again
