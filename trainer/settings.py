"""Settings of the trainer, from the environment."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class TrainerSettings(BaseSettings):
    """Read once in `__main__` and passed down."""

    model_config = SettingsConfigDict(env_prefix="TRAINER_", extra="forbid", frozen=True)

    data_root: Path = Field(default=Path("data"), validation_alias="DATA_ROOT")
    """Directory under which everything that the trainer reads and writes lies."""

    address: str = "127.0.0.1:50052"
    """Where the daemon listens."""

    model_name: str = "brain_tumor"
    """Name of the model in serving, and of its directory under `models/`."""

    @property
    def model_dir(self) -> Path:
        """Directory of the versions: serving's base_path."""
        return self.data_root / "models" / self.model_name

    @property
    def train_npz(self) -> Path:
        """The training split that build-dataset wrote last."""
        return self.data_root / "train" / "train_data.npz"

    @property
    def test_npz(self) -> Path:
        """The untouched test split that build-dataset wrote last."""
        return self.data_root / "test" / "test_data.npz"

    @property
    def run_dir(self) -> Path:
        """Directory of the last training: weights, history, TensorBoard logs."""
        return self.data_root / "run"
