"""The trainer's commands, by hand and of the daemon: python -m trainer --help lists them."""

import os
import signal
import sys

import click

from trainer.commands.build_dataset import build_dataset
from trainer.commands.cross_validate import cross_validate
from trainer.commands.evaluate import evaluate
from trainer.commands.publish import publish
from trainer.commands.refit import refit
from trainer.commands.serve import serve
from trainer.commands.synthetic_slice import synthetic_slice
from trainer.commands.train import train
from trainer.commands.write_config import write_config
from trainer.errors import TrainerError
from trainer.no_space import told_if_used_up
from trainer.settings import TrainerSettings
from transport.environment import SettingsError, settings_from_environment
from transport.errors import CannotListenError
from transport.watched import UnusableFileError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.pass_context
def main(context: click.Context) -> None:
    """Builds data sets, trains, evaluates and publishes versions.

    Paths are relative to DATA_ROOT, if nothing else is said.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow reads it when it is first imported
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that nothing half-written is left
    context.obj = settings_from_environment(TrainerSettings)


for _command in (build_dataset, train, refit, evaluate, cross_validate, publish, serve, write_config, synthetic_slice):
    main.add_command(_command)


def run() -> None:
    """Runs a command; of one that fails as may happen there is one line on stderr."""
    try:
        main()
    except CannotListenError as err:
        sys.exit(f"{err} TRAINER_ADDRESS, TRAINER_HEALTH_ADDRESS and TRAINER_METRICS_ADDRESS set others")
    except (OSError, UnusableFileError) as err:
        sys.exit(str(err))
    except SettingsError as err:
        click.echo(err, err=True)
        sys.exit(2)
    except Exception as err:
        told = told_if_used_up(err)
        if not isinstance(told, TrainerError):
            raise
        sys.exit(f"{type(told).__name__}: {told}")


if __name__ == "__main__":
    run()
