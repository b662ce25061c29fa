"""`python -m trainer serve`: runs the daemon."""

import asyncio

import click

from trainer.settings import TrainerSettings
from transport.environment import SettingsError, description_of
from transport.exposure import refusal


class _WithSettings(click.Command):
    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 as click has it
        formatter.write(f"\n{description_of(TrainerSettings)}\n")


@click.command(cls=_WithSettings)
@click.pass_obj
def serve(settings: TrainerSettings) -> None:
    """Runs the daemon: retraining jobs and versions over gRPC, until SIGTERM or Ctrl-C."""
    from observability import logs
    from trainer import server

    if problem := refusal("trainer", settings.address, settings.tls, knows_callers=False, insecure=settings.insecure):
        raise SettingsError(problem)
    logs.configure(settings.log_level)
    asyncio.run(server.serve(settings))
