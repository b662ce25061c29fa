"""`python -m gateway.new_api_key NAME RIGHTS >> FILE`: the line goes to stdout, the key to stderr."""

import sys

from gateway.auth.api_keys import new_key, parse_rights
from gateway.auth.rights import Right

_USAGE = f"""\
Usage: python -m gateway.new_api_key NAME RIGHTS >> FILE

Makes an API key. RIGHTS are some of {", ".join(Right)}, with commas between them. FILE, which GATEWAY_API_KEYS names,
gets a line with the key's hash. The key itself is shown on stderr, once.
"""


def main(arguments: list[str]) -> int:
    """Prints a new key and its line; returns the exit status, 2 where the arguments are wrong."""
    try:
        name, rights = arguments
        key, line = new_key(name, parse_rights(rights))
    except ValueError as err:
        sys.stderr.write(f"{_USAGE}\n{err}\n")
        return 2
    print(line, flush=True)  # noqa: T201 it is what the command is for
    sys.stderr.write(f"{key}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
