"""What a servable needs of an inference runtime."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from tfserving_api.tensors import Tensor


class Engine(Protocol):
    """One loaded version on one runtime. Safe to call from many threads at once."""

    def run(
        self, signature_name: str, inputs: Mapping[str, Tensor], outputs: Sequence[str], timeout_s: float | None
    ) -> dict[str, Tensor]:
        """Computes some outputs of one signature.

        Args:
          signature_name: a signature of the version.
          inputs: by alias, every input of the signature. Dtype and shape are the engine's to judge.
          outputs: aliases of the outputs to compute, at least one.
          timeout_s: how long the caller will wait; None is for ever.

        Returns:
          The tensors by output alias.

        Raises:
          ServingError: with the status and the text of the runtime.
        """

    def close(self) -> None:
        """Gives back all memory of the version. Nothing runs on it any more, nor ever will."""
