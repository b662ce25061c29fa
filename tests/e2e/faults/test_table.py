"""The README's table of what breaks says what these tests show, and nothing else."""

import ast
from pathlib import Path

_HERE = Path(__file__).parent
_README = _HERE.parents[2] / "README.md"


def _rows_of_readme() -> list[tuple[str, ...]]:
    section = _README.read_text().split("\n## When something breaks\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines[2:]]


def _rows_of_tests() -> list[tuple[str, ...]]:
    """Returns the docstrings of all tests beside this one: each has a paragraph for each cell of its row."""
    rows = []
    for file in sorted(_HERE.glob("test_*.py")):
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and file != Path(__file__):
                breaks, *cells = (ast.get_docstring(node) or "").split("\n\n")
                rows.append((breaks.removesuffix("."), *(" ".join(cell.split()) for cell in cells)))
    return rows


def test_each_row_is_a_test_and_each_test_a_row() -> None:
    assert sorted(_rows_of_readme()) == sorted(_rows_of_tests())
    assert {len(row) for row in _rows_of_readme()} == {3}
