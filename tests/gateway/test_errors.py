"""The tree of errors."""

import re

from gateway import errors
from gateway.errors import GatewayError, ModelFailedError

_CLASSES = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, GatewayError)]


def test_the_tree_in_the_docstring_is_the_tree():
    drawn = dict(re.findall(r"(\w+Error) +([A-Z_]+)", errors.__doc__.split("Beside")[0]))
    real = {kind.__name__: kind.status_code.name for kind in _CLASSES if kind is not GatewayError}
    assert drawn == real


def test_reasons_are_stable_names_and_differ():
    reasons = [kind.reason for kind in _CLASSES]
    assert len(set(reasons)) == len(reasons)
    assert all(re.fullmatch(r"[A-Z][A-Z0-9_]{1,62}", reason) for reason in reasons)


def test_only_a_lack_of_capacity_or_of_a_server_is_worth_a_retry():
    retried = {kind.status_code.name for kind in _CLASSES if kind.retry_after_s is not None}
    assert retried == {"RESOURCE_EXHAUSTED", "UNAVAILABLE"}


def test_each_caller_gets_an_error_of_its_own():
    error = ModelFailedError("odd", retry_after_s=3.0)
    copy = error.for_another_caller()
    assert copy is not error
    assert type(copy) is ModelFailedError
    assert str(copy) == "odd"
    assert copy.retry_after_s == 3.0
