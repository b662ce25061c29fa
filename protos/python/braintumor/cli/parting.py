"""What a user is told who parts from a job without its outcome."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from braintumor.cli.connection import may_pass
from braintumor.cli.ending import INTERRUPTED_STATUS
from braintumor.errors import ServiceError

_TOKEN_EXPIRED = "TOKEN_EXPIRED"  # noqa: S105 a reason
"""Of a token that ends before the job does."""


@contextmanager
def parting(*, left: str, away: str) -> Iterator[None]:
    """Says on stderr how to go on, where calls about a job end too early.

    Args:
      left: told where the user leaves with Ctrl-C.
      away: told where the service is away, or asks to be called again, be it with a new token.

    Raises:
      click.exceptions.Exit: the user left.
    """
    try:
        yield
    except KeyboardInterrupt:
        click.echo(left, err=True)
        raise click.exceptions.Exit(INTERRUPTED_STATUS) from None
    except ServiceError as err:
        if may_pass(err) or err.reason == _TOKEN_EXPIRED:
            click.echo(away, err=True)
        raise
