"""Which versions are stable, previous and canary after a change, and after some have gone."""

from trainer.rollout.state import RolloutState


def test_what_was_stable_is_the_previous_one_and_a_canary_that_arrives_is_none_any_more() -> None:
    tried = RolloutState(stable=1, canary=2, canary_percent=10)

    assert tried.with_stable(3) == RolloutState(stable=3, previous=1, canary=2, canary_percent=10)
    assert tried.with_stable(2) == RolloutState(stable=2, previous=1)


def test_a_version_that_is_stable_already_leaves_the_previous_one() -> None:
    """Else a rollback would lead to where it came from."""
    state = RolloutState(stable=2, previous=1)

    assert state.with_stable(2) == state


def test_a_previous_version_that_takes_over_is_neither_previous_nor_canary() -> None:
    state = RolloutState(stable=3, previous=2, canary=2, canary_percent=10)

    assert state.limited_to([1, 2]) == RolloutState(stable=2)


def test_what_goes_takes_no_other_with_it() -> None:
    state = RolloutState(stable=3, previous=2, canary=4, canary_percent=10)

    assert state.limited_to([3, 4]) == RolloutState(stable=3, canary=4, canary_percent=10)
    assert state.limited_to([2, 3]) == RolloutState(stable=3, previous=2)
    assert state.limited_to([4]) == RolloutState()
    assert state.limited_to([]) == state


def test_without_a_stable_version_the_previous_one_stays_what_it_is() -> None:
    state = RolloutState(previous=1)

    assert state.limited_to([1]) == state
