"""The tree of errors."""

import importlib
import pkgutil
import re

import trainer
from trainer import errors
from trainer.errors import TrainerError


def _drawn() -> dict[str, str]:
    """Returns the parent of each error, as the docstring draws it."""
    parents, path = {}, ["TrainerError"]
    for branch, name in re.findall(r"^([│ ]*[├└]── )(\w+Error)\b", errors.__doc__ or "", re.MULTILINE):
        depth = len(branch) // 4
        path[depth:] = [name]
        parents[name] = path[depth - 1]
    return parents


def _real(kind: type[TrainerError] = TrainerError) -> dict[str, str]:
    below = kind.__subclasses__()
    return {child.__name__: kind.__name__ for child in below} | {
        k: v for child in below for k, v in _real(child).items()
    }


def test_the_tree_in_the_docstring_is_the_tree_and_all_of_it_is_here() -> None:
    for module in pkgutil.iter_modules(trainer.__path__, "trainer."):
        if module.name != "trainer.__main__":
            importlib.import_module(module.name)

    assert _drawn() == _real()
    assert all(hasattr(errors, name) for name in _drawn())
