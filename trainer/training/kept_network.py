"""The network of a published version, to fit a new critic and a new calibration beside it.

Each training of a network is a lottery; one that won is worth keeping while what judges it gets better.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.architectures import Architecture, architecture_named
from trainer.data.known_slices import is_fitted_to
from trainer.dataset import Split
from trainer.errors import KeptNetworkError
from trainer.evaluate import load_model
from trainer.figures import EpochMetrics
from trainer.training.domain_critic import build_critic
from trainer.versions import read_version, require_version


@dataclass(frozen=True, slots=True)
class KeptNetwork:
    """A network that stays as it is.

    Attributes:
      version: that it is taken from.
      fitted_for: the version that it was fitted for, where that one has kept it too.
      directory: of that version.
      architecture: of the network.
      fingerprint: of the data set that it was fitted to.
      slices: in the training split of that data set.
      seed: that its validation split was drawn with.
      metrics: figures of its kept epoch.
    """

    version: int
    fitted_for: int
    directory: Path
    architecture: Architecture
    fingerprint: str
    slices: int
    seed: int
    metrics: EpochMetrics

    @classmethod
    def of_version(cls, model_dir: Path, version: int) -> "KeptNetwork":
        """Reads the model card of a version.

        Raises:
          ModelVersionNotFoundError: there is no such version.
          KeptNetworkError: it has no card to tell what it was fitted to.
        """
        require_version(model_dir, version)
        record = read_version(model_dir, version)
        if not record.card:
            raise KeptNetworkError(f"version {version} has no model card, so its split is not known; train anew")
        card = json.loads(record.card)
        return cls(
            version=version,
            fitted_for=card.get("network_of_version", version),
            directory=model_dir / str(version),
            architecture=architecture_named(record.architecture),
            fingerprint=record.fingerprint,
            slices=card["split"]["train_slices"] + card["split"]["validation_slices"],
            seed=card["seed"],
            metrics=EpochMetrics(**card["metrics"]["kept_epoch"]),
        )

    def require_same_data(self, split: Split) -> None:
        """Raises KeptNetworkError where a split is of other data: the network may have seen its test slices.

        The fingerprint is of all data, and another seed splits the same data otherwise. What was fitted to is known by
        its hashes; of a version without them only the number of slices is compared.
        """
        is_same = (split.fingerprint, len(split.labels)) == (self.fingerprint, self.slices)
        if not (is_same and is_fitted_to(self.directory, split.images)):
            raise KeptNetworkError(
                f"version {self.version} was fitted to {self.slices} slices of data {self.fingerprint[:12]}, and the "
                f"split has other slices: {len(split.labels)} of {split.fingerprint[:12]}; build its data set again, "
                f"with build-dataset --after {self.version}, or train anew"
            )

    def load(self, *, with_critic: bool) -> tuple[Any, Any]:
        """Builds the network with the weights that lie in the SavedModel: its own come first, then the critic's.

        Returns:
          The network and, where it is asked for, the domain critic.

        Raises:
          BrokenModelError: the SavedModel cannot be loaded.
          KeptNetworkError: architecture or critic have changed since.
        """
        stored = [weight.numpy() for weight in load_model(self.directory).weights]
        spec = self.architecture.input_spec
        network, critic = self.architecture.build(spec), None
        try:
            network.set_weights(stored[: len(network.weights)])
            if with_critic:
                critic = build_critic((spec.height, spec.width, spec.channels))
                critic.set_weights(stored[len(network.weights) :])
        except ValueError as err:
            raise KeptNetworkError(
                f"the weights of version {self.version} do not fit what {self.architecture.name} and its domain critic "
                "are now; train anew"
            ) from err
        return network, critic
