"""Which images are taken on."""

import pytest

from gateway.admission import Admission
from gateway.errors import DeadlineUnreachableError, QueueFullError
from gateway.room import Room

_LONG_S = 1000.0


class _Clock:
    def __init__(self):
        self.now_s = 0.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return _Clock()


@pytest.fixture
def room():
    return Room(10, 100)


@pytest.fixture
def admission(room, clock):
    return Admission(room, clock)


def _classify(admission, clock, seconds):
    with admission.admitted(1, _LONG_S):
        clock.now_s += seconds


def test_what_there_is_no_room_for_is_refused(admission, room):
    for _ in range(10):
        room.enter(1)
    with pytest.raises(QueueFullError, match="10 images"):
        admission.check(0, _LONG_S)


def test_what_there_are_no_bytes_for_is_refused(admission, room):
    room.enter(60)
    admission.check(40, _LONG_S)
    with pytest.raises(QueueFullError, match="100 bytes"), admission.admitted(41, _LONG_S):
        pass
    assert room.images == 1


def test_what_would_be_late_is_refused_and_told_when_to_come_back(admission, room, clock):
    for _ in range(50):
        _classify(admission, clock, 2.0)  # alone, so one image takes two seconds
    for _ in range(3):
        room.enter(1)
    admission.check(1, 4 * 2.0 * 1.3)
    with pytest.raises(DeadlineUnreachableError) as refused:
        admission.check(1, 6.0)
    assert refused.value.retry_after_s == pytest.approx(4 * 2.0 * 1.25 - 6.0, rel=0.01)


def test_the_pace_is_that_of_one_image_among_many(admission, room, clock):
    for _ in range(4):
        room.enter(1)
    for _ in range(50):
        _classify(admission, clock, 10.0)  # five in work, two seconds each
    with pytest.raises(DeadlineUnreachableError):
        admission.check(1, 9.0)
    admission.check(1, 13.0)


def test_one_that_finds_nobody_is_always_taken_on(admission, clock):
    _classify(admission, clock, 100.0)
    admission.check(1, 0.001)


def test_a_standstill_is_forgotten_after_some_images(admission, room, clock):
    _classify(admission, clock, 1000.0)
    for _ in range(40):
        _classify(admission, clock, 0.01)
    room.enter(1)
    admission.check(1, 0.5)


def test_what_fails_teaches_nothing_and_leaves_its_room(admission, room, clock):
    def fail():
        with admission.admitted(1, _LONG_S):
            clock.now_s += 1000.0
            raise ValueError("bad image")

    with pytest.raises(ValueError, match="bad"):
        fail()
    assert room.images == 0
    room.enter(1)
    admission.check(1, 0.001)
