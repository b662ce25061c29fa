"""The tree of errors."""

import re
from pathlib import Path

from gateway import errors
from gateway.errors import GatewayError, ModelFailedError
from gateway.imaging import InvalidImageError

_README = Path(__file__).parents[2].joinpath("README.md").read_text()
_CLASSES = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, GatewayError)]


def test_the_tree_in_the_docstring_is_the_tree():
    drawn = dict(re.findall(r"(\w+Error) +([A-Z_]+)", errors.__doc__.split("Beside")[0]))
    real = {kind.__name__: kind.status_code.name for kind in _CLASSES if kind is not GatewayError}
    assert drawn == real


def test_reasons_are_stable_names_and_differ():
    reasons = [kind.reason for kind in _CLASSES]
    assert len(set(reasons)) == len(reasons)
    assert all(re.fullmatch(r"[A-Z][A-Z0-9_]{1,62}", reason) for reason in reasons)


def test_the_readme_tells_each_reason_with_its_status():
    """Both are stable: who renames one, breaks callers. DISK_FULL and SYSTEM_LIMIT are the trainer's."""
    table = _README.split("\n**Errors** are ")[1].split("\n\n")[1]
    rows = [[re.findall(r"`([A-Z_]+)`", cell) for cell in row.split(" | ")[:2]] for row in table.splitlines()[2:]]
    told = [(reason, statuses) for statuses, reasons in rows for reason in reasons]
    real = {kind.reason: kind.status_code.name for kind in _CLASSES}
    real |= dict.fromkeys((kind.reason for kind in InvalidImageError.__subclasses__()), "INVALID_ARGUMENT")
    real |= dict.fromkeys(("DISK_FULL", "SYSTEM_LIMIT"), "RESOURCE_EXHAUSTED")
    assert sorted(reason for reason, _ in told) == sorted(real)
    assert all(real[reason] in statuses for reason, statuses in told)


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
