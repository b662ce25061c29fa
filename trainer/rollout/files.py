"""The two files of a rollout: rollout.json, which says what serving should hold, and models.config, which tells it."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from google.protobuf import text_format

from tfserving_api.messages import ModelServerConfig, pool
from trainer.durable import locked, replace_files
from trainer.errors import DiskFullError, RolloutError
from trainer.no_space import is_no_space
from trainer.rollout.state import STABLE, RolloutState
from trainer.settings import TrainerSettings
from trainer.versions import versions_on_disk

_HEADER = "# Written by the trainer from rollout.json; changes made here are lost.\n"


class RolloutFiles:
    """Keeps both files in step, in an order that may end at any point.

    rollout.json decides. models.config may list more versions for a while, those that are being loaded or unloaded; no
    label leads to them.
    """

    def __init__(self, settings: TrainerSettings) -> None:
        self._settings = settings

    def read(self) -> RolloutState:
        """Returns what was decided, as far as the versions still exist.

        Where rollout.json is lost, what models.config labels stable stays so; where nothing was decided, the newest is.

        Raises:
          RolloutError: rollout.json is damaged, or it or the directory of the versions cannot be read.
        """
        on_disk = self._on_disk()
        try:
            state = RolloutState.from_json(self._settings.rollout_state.read_bytes())
        except FileNotFoundError:
            # What serving holds comes first: it refuses a config whole that labels a version which it does not hold.
            labelled = self.listed().version_labels.get(STABLE)
            state = RolloutState(stable=labelled or max(on_disk, default=None))
        except OSError as err:
            raise RolloutError(f"rollout.json cannot be read: {err.strerror}") from err
        return state.limited_to(on_disk)

    def require(self) -> None:
        """Tells a disk that has gone from one that holds nothing yet: at its start a daemon writes rollout.json.

        Raises:
          RolloutError: neither it nor a version is there any more, or that cannot be seen.
        """
        if not (self._on_disk() or self._settings.rollout_state.exists()):
            raise RolloutError(
                "rollout.json and all versions are gone; mount the volume again that they lie on, or restart the "
                "trainer to begin without any"
            )

    def listed(self) -> Any:
        """Returns the model as models.config has it, a ModelConfig; an empty one where that cannot be read."""
        try:
            return _only_model(self._settings.models_config.read_text())
        except (OSError, ValueError, text_format.ParseError):
            return ModelServerConfig().model_config_list.config.add()

    def _on_disk(self) -> list[int]:
        try:
            return versions_on_disk(self._settings.model_dir)
        except OSError as err:
            raise RolloutError(f"the directory of the versions cannot be read: {err.strerror}") from err

    def write(self, state: RolloutState, beside: Collection[int] = ()) -> None:
        """Decides, and tells serving.

        Args:
          state: what serving should hold, and where labels lead.
          beside: versions that serving holds as well, while they come or go.

        Raises:
          DiskFullError, RolloutError: the files cannot be written; they are as before.
        """
        with self._locked():
            self._replace(state, beside)

    def ensure(self, *, alone: bool = False) -> None:
        """Writes both files, unless models.config is already what was decided, without versions that are gone.

        Args:
          alone: whether nobody else is changing it, so that it may list no version beside these.

        Raises:
          DiskFullError, RolloutError: as for `read` and `write`.
        """
        with self._locked():
            state = self.read()
            if not self._serves(state, alone=alone):
                self._replace(state, ())

    def decide(self) -> None:
        """Writes rollout.json where there is none, so that a version that comes is not taken for the stable one.

        Raises:
          DiskFullError, RolloutError: as for `read` and `write`.
        """
        with self._locked():
            if not self._settings.rollout_state.exists() and (state := self.read()).stable:
                replace_files({self._settings.rollout_state: state.to_json()})

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            with locked(self._settings.rollout_state.parent):
                yield
        except OSError as err:
            if is_no_space(err):
                raise DiskFullError("no space is left for models.config; free some") from err
            raise RolloutError(f"models.config cannot be written: {err.strerror}") from err

    def _replace(self, state: RolloutState, beside: Collection[int]) -> None:
        replace_files(
            {
                # First: a label that has moved was decided upon, whatever comes in between.
                self._settings.rollout_state: state.to_json(),
                self._settings.models_config: self._rendered(state, beside),
            }
        )

    def _rendered(self, state: RolloutState, beside: Collection[int]) -> str:
        config = ModelServerConfig()
        model = config.model_config_list.config.add(
            name=self._settings.model_name,
            base_path=self._settings.serving_base_path or str(self._settings.model_dir.absolute()),
            model_platform="tensorflow",
        )
        if versions := sorted(state.loaded.union(beside)):
            model.model_version_policy.specific.versions.extend(versions)
        else:  # Serving waits for a version before it does anything, so for one of which it needs no word.
            model.model_version_policy.latest.num_versions = 1
        model.version_labels.update(state.labels)
        return _HEADER + text_format.MessageToString(config)

    def _serves(self, state: RolloutState, *, alone: bool) -> bool:
        """Whether models.config is that of a state; where others may be loading versions, it may list more of these."""
        wanted = _only_model(self._rendered(state, ()))
        present = self.listed()
        if not state.loaded.issubset(present.model_version_policy.specific.versions):
            return False
        if not alone:
            present.model_version_policy.CopyFrom(wanted.model_version_policy)
        return bool(present == wanted)


def _only_model(text: str) -> Any:
    (model,) = text_format.Parse(text, ModelServerConfig(), descriptor_pool=pool).model_config_list.config
    return model
