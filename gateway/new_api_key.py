"""`python -m gateway.new_api_key NAME RIGHTS >> FILE`: the line goes to stdout, the key to stderr."""

import argparse
import sys
from collections.abc import Sequence

from gateway.auth.api_keys import new_key, parse_rights
from gateway.auth.rights import Right

_COMMAND = "python -m gateway.new_api_key"


def main(arguments: Sequence[str]) -> None:
    """Prints a new key and its line.

    Raises:
      SystemExit: help was asked for, with status 0; the arguments are wrong, with 2.
    """
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        key, line = new_key(given.name, parse_rights(given.rights))
    except ValueError as err:
        parser.error(str(err))
    print(line, flush=True)  # noqa: T201 it is what the command is for
    sys.stderr.write(f"{key}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_COMMAND,
        usage=f"{_COMMAND} NAME RIGHTS >> FILE",
        description="Makes an API key. FILE, which GATEWAY_API_KEYS names, gets a line with the key's hash. "
        "The key itself is shown on stderr, once.",
    )
    parser.add_argument("name", metavar="NAME", help="name of the caller, who may have several keys")
    parser.add_argument("rights", metavar="RIGHTS", help=f"some of {', '.join(Right)}, with commas between them")
    return parser


if __name__ == "__main__":
    main(sys.argv[1:])
