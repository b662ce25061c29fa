"""Settings of the trainer, from the environment."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import SettingsConfigDict

from trainer.jobs import run_directory
from transport.process_settings import ListenAddress, ProcessSettings
from transport.tls_settings import ServerTls


def _named(path: object) -> object:
    if path == "":
        raise ValueError("it is empty; name a directory, or leave the variable out")
    return path


def _without_patterns(path: Path) -> Path:
    if set("[\\").intersection(str(path)):
        raise ValueError("TensorFlow takes paths with [ or \\ for patterns, and loads no model there; name one without")
    return path


class TrainerSettings(ProcessSettings):
    """Read once in `__main__` and passed down."""

    model_config = SettingsConfigDict(env_prefix="TRAINER_")

    data_root: Annotated[Path, BeforeValidator(_named), AfterValidator(_without_patterns)] = Field(
        default=Path("data"), validation_alias="DATA_ROOT"
    )
    """Directory under which everything that the trainer reads and writes lies."""

    address: ListenAddress = "127.0.0.1:50052"
    """Host and port that the daemon listens on; port 0 takes a free one."""

    tls: ServerTls | None = None
    """Certificate of the port, and authorities of its callers, which is the gateway alone; TRAINER_TLS__CLIENT_CA sets
    the latter, and so on. Without it the port is plain text. The files are followed."""

    insecure: bool = False
    """Whether to listen where others can reach it without TLS and a look at their certificates."""

    serving_base_path: str = ""
    """The model's directory as serving sees it; empty where both see the same file system."""

    rollout_timeout_s: float = Field(default=120.0, gt=0)
    """Time for serving to load a version, or to come back, before a rollout is given up; and for the scratch serving in
    which a job tries its version."""

    retained_versions: int = Field(default=5, ge=1)
    """Versions kept on disk: with each promotion, rollback or canary the oldest others go. Those that are stable,
    canary, newest, or stable before are kept in any case."""

    min_test_slices: int = Field(default=20, ge=1)
    """Slices of each label in the test split below which the gate refuses a version, whatever its figures."""

    min_accuracy: float = Field(default=0.9, ge=0, le=1)
    """Accuracy on the test split below which the gate refuses a version."""

    min_auc: float = Field(default=0.95, ge=0, le=1)
    """Area under the ROC curve on the test split below which the gate refuses a version."""

    min_sensitivity: float = Field(default=0.9, ge=0, le=1)
    """Sensitivity on the test split below which the gate refuses a version."""

    tolerated_accuracy_drop: float = Field(default=0.01, ge=0, le=1)
    """Loss of accuracy against the stable version beyond which, if it is certain, the gate refuses."""

    tolerated_auc_drop: float = Field(default=0.005, ge=0, le=1)
    """The same for the area under the ROC curve."""

    tolerated_sensitivity_drop: float = Field(default=0.02, ge=0, le=1)
    """The same for sensitivity."""

    report_pictures: bool = True
    """Whether reports show slices of the test split. Turn it off where their licence, or the privacy of those whose
    slices they are, does not let every caller of GetModelReport see them."""

    max_queued_jobs: int = Field(default=8, ge=0)
    """Retraining jobs that may wait while one runs, and calls of Evaluate that may; what is beyond it is refused."""

    max_job_attempts: int = Field(default=10, ge=1)
    """Times in a row that the trainer may be killed during a job that gets no further, as where memory runs out; then
    the job fails. An end of the trainer in good order begins the count anew."""

    job_threads: int = Field(default=1, ge=1)
    """Threads that compute in a job's process. With one of two cores left over, Predict keeps its latency."""

    job_niceness: int = Field(default=10, ge=0, le=19)
    """By how much a job's process gives way to others, as `nice` counts."""

    @property
    def runs_dir(self) -> Path:
        """Directory of the jobs: one directory each."""
        return self.data_root / "runs"

    @property
    def database(self) -> Path:
        """The operations."""
        return self.data_root / "trainer.db"

    @property
    def audit_trail(self) -> Path:
        """Who asked for which job or version."""
        return self.data_root / "audit" / "trainer.jsonl"

    @property
    def model_dir(self) -> Path:
        """Directory of the versions: serving's base_path."""
        return self.data_root / "models" / self.model_name

    @property
    def models_config(self) -> Path:
        """The ModelServerConfig that serving re-reads each second."""
        return self.data_root / "models" / "models.config"

    @property
    def rollout_state(self) -> Path:
        """Which versions are stable, previous and canary."""
        return self.data_root / "models" / "rollout.json"

    @property
    def train_npz(self) -> Path:
        """The training split of the data set that was built last."""
        return self.data_root / "train" / "train_data.npz"

    @property
    def test_npz(self) -> Path:
        """Its untouched test split."""
        return self.data_root / "test" / "test_data.npz"

    @property
    def dataset_summary(self) -> Path:
        """Its counts."""
        return self.data_root / "test" / "summary.json"

    @property
    def run_dir(self) -> Path:
        """Directory of the last training by hand: candidate, history, TensorBoard logs."""
        return self.data_root / "run"

    @property
    def cross_validation_dir(self) -> Path:
        """Directory of the cross-validations by hand: one directory each."""
        return self.data_root / "cross-validation"

    @property
    def own_places(self) -> tuple[Path, ...]:
        """What is the trainer's own under the data root: no place for a caller's data set."""
        files = (self.audit_trail, self.models_config, self.train_npz, self.test_npz)
        # SQLite looks for all of them beside its database, and does not open it where one is a directory.
        of_sqlite = (self.database.with_name(f"{self.database.name}{end}") for end in ("", "-journal", "-shm", "-wal"))
        runs = (self.runs_dir, self.run_dir, *run_directory.beside(self.run_dir), self.cross_validation_dir)
        return (*(file.parent for file in files), *runs, *of_sqlite)
