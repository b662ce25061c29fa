"""Which images are taken on."""

import pytest

from gateway.admission import Admission
from gateway.backlog import Outlook
from gateway.errors import DeadlineUnreachableError, QueueFullError
from gateway.room import Room


@pytest.fixture
def room():
    return Room(10, 100)


def _admission(room, wait_s=0.0, work_s=0.0):
    return Admission(room, lambda: Outlook(wait_s, work_s))


def test_what_there_is_no_room_for_is_refused(room):
    for _ in range(10):
        room.enter(1)
    with pytest.raises(QueueFullError, match="10 images"), _admission(room).admitted(10):
        pass
    assert room.images == 10


def test_what_there_are_no_bytes_for_is_refused_and_leaves_its_room(room):
    room.enter(60)
    admission = _admission(room)
    with admission.admitted(10) as place:
        place.take(40)
        with pytest.raises(QueueFullError, match="100 bytes"), admission.admitted(10) as other:
            other.take(1)
        assert room.images == 2
    with admission.admitted(10) as place:
        place.take(40)
    assert room.images == 1


def test_what_would_be_late_is_refused_and_told_when_to_come_back(room):
    admission = _admission(room, wait_s=6.0, work_s=2.0)
    with pytest.raises(DeadlineUnreachableError) as refused, admission.admitted(4.0):
        pass
    assert refused.value.retry_after_s == pytest.approx(8 * 1.5 - 4)
    assert room.images == 0
    with admission.admitted(12.1):
        assert room.images == 1


def test_what_need_not_wait_is_always_taken_on(room):
    with _admission(room, work_s=100.0).admitted(0.001):
        assert room.images == 1


def test_what_fails_leaves_its_room(room):
    def fail():
        with _admission(room).admitted(1) as place:
            place.take(30)
            raise ValueError("bad image")

    with pytest.raises(ValueError, match="bad"):
        fail()
    assert room.images == 0
    room.enter(0)
    assert room.has_room_for(100)
