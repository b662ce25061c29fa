"""The steps of a retraining job. Each leaves a record, and is not done again where there is one."""

from collections.abc import Callable
from contextlib import nullcontext
from functools import cached_property, partial

from trainer.architectures import architecture_named
from trainer.data.known_slices import KnownSlices, seen_among
from trainer.data.sources import DirectorySource, ZipSource
from trainer.dataset import DatasetPaths, DatasetSummary, Split, build_dataset, load_split
from trainer.durable import UNFINISHED, share, sync_tree
from trainer.evaluate import Candidate, Outputs, evaluate, predict_images
from trainer.figures import EpochMetrics, Evaluation, VersionEvaluation
from trainer.gate import Decision, gate
from trainer.jobs.operation import Order, Outcome, Progress, Step
from trainer.jobs.orders import is_archive
from trainer.jobs.run_directory import CANDIDATE, CHECKPOINT, remove
from trainer.model_card import Approval, DataSource
from trainer.paths import inside
from trainer.publish import publish
from trainer.record import Record, read_record, write_record
from trainer.report.answers import Answers
from trainer.rollout.files import RolloutFiles
from trainer.rollout.golden import write_golden_requests
from trainer.rollout.infra_validation import infra_validate
from trainer.settings import TrainerSettings
from trainer.train import Training, train
from trainer.versions import published_by, versions_on_disk

_SPAN = {
    Step.BUILD_DATASET: (0.0, 0.1),
    Step.TRAIN: (0.1, 0.7),
    Step.CALIBRATE: (0.7, 0.85),
    Step.EVALUATE: (0.85, 0.9),
    Step.GATE: (0.9, 0.95),
    Step.PUBLISH: (0.95, 0.98),
}
"""Share of the job that is done before a step and after it; the rest is serving's."""


class Pipeline:
    """One job in its run directory. A pipeline that was killed anywhere goes on when it is run again."""

    def __init__(
        self,
        settings: TrainerSettings,
        operation_id: str,
        order: Order,
        report: Callable[[Progress], None],
    ) -> None:
        self._settings = settings
        self._operation_id = operation_id
        self._order = order
        self._report = report
        self._run_dir = settings.runs_dir / operation_id
        self._candidate_dir = self._run_dir / CANDIDATE
        self._epoch = 0
        self._metrics: EpochMetrics | None = None

    def run(self) -> Outcome:
        """Does what is left to do.

        Raises:
          TrainerError: a step cannot be done.
          OSError: the disk is full or broken.
        """
        for unfinished in self._run_dir.glob(f"{UNFINISHED}*"):
            remove(unfinished)
        dataset = self._once("dataset", DatasetSummary, self._build_dataset)
        training = self._once("training", Training, self._train)
        remove(self._run_dir / CHECKPOINT)
        self._epoch, self._metrics = len(training.history), training.history[-1]
        evaluation = self._once("evaluation", Evaluation, self._evaluate)
        decision = self._once("gate", Decision, self._decide)
        accepted = decision.blessed or self._order.force
        version = self._publish(dataset, training, evaluation, decision) if accepted else 0
        return Outcome(
            metrics=training.history[training.kept_epoch],
            evaluation=evaluation,
            version=version,
            blessed=decision.blessed,
            reasons=decision.reasons,
            excluded=dataset.excluded,
        )

    def _once(self, name: str, kind: type[Record], make: Callable[[], Record]) -> Record:
        path = self._run_dir / f"{name}.json"
        if path.exists():
            return read_record(path, kind)
        record = make()
        write_record(path, record)
        return record

    def _tell(self, step: Step, done: int = 0, total: int = 1) -> None:
        begin, end = _SPAN[step]
        fraction = begin + (end - begin) * done / total
        self._report(Progress(step=step, epoch=self._epoch, metrics=self._metrics, fraction=fraction))

    def _build_dataset(self) -> DatasetSummary:
        self._tell(Step.BUILD_DATASET)
        root, order = self._settings.data_root, self._order
        # Resolved once more: a link may have been moved while the job waited.
        all_npz = inside(root, order.data_dir, "data_dir") / order.npz_filename
        paths = DatasetPaths(all_npz, self._run_dir / "train.npz", self._run_dir / "test.npz")
        images = inside(root, order.image_dir, "image_dir")
        known = KnownSlices.of_version(self._settings.model_dir, RolloutFiles(self._settings).read().stable or 0)
        progress = partial(self._tell, Step.BUILD_DATASET)
        opened = (
            ZipSource(images)
            if is_archive(order)
            else nullcontext(DirectorySource(images, inside(root, order.target_dir, "target_dir") / order.target_file))
        )
        with opened as source:
            summary = build_dataset(source, paths, order.seed, progress, known, self._run_dir)
        # The job's own stay what they are, whatever is built meanwhile by hand.
        share(paths.train_npz, self._settings.train_npz)
        share(paths.test_npz, self._settings.test_npz)
        return summary

    def _train(self) -> Training:
        self._tell(Step.TRAIN)
        architecture, order = architecture_named(self._order.architecture), self._order

        def on_epoch(epoch: int, metrics: EpochMetrics) -> None:
            self._epoch, self._metrics = epoch, metrics
            self._tell(Step.TRAIN, epoch, order.epochs)

        split, on_critic = load_split(self._run_dir / "train.npz"), partial(self._tell, Step.CALIBRATE)
        return train(split, architecture, order.epochs, order.seed, self._run_dir, on_epoch, on_critic)

    @cached_property
    def _test_split(self) -> Split:
        return load_split(self._run_dir / "test.npz")

    @cached_property
    def _candidate(self) -> Candidate:
        return Candidate(self._candidate_dir)

    @cached_property
    def _outputs(self) -> Outputs:
        progress = partial(self._tell, Step.EVALUATE)
        return predict_images(self._candidate, self._test_split.images, on_progress=progress)

    def _evaluate(self) -> Evaluation:
        self._tell(Step.EVALUATE)
        return evaluate(self._outputs, self._test_split.labels)

    def _decide(self) -> Decision:
        self._tell(Step.GATE)
        decision = gate(self._outputs, self._stable_outputs, self._test_split, self._settings, self._order.seed)
        if not (decision.blessed or self._order.force):
            return decision
        write_golden_requests(self._candidate, self._settings.model_name, self._candidate_dir)
        sync_tree(self._candidate_dir)
        reasons = infra_validate(self._candidate_dir, self._run_dir, self._settings.rollout_timeout_s)
        return Decision(decision.blessed and not reasons, (*decision.reasons, *reasons))

    @cached_property
    def _stable(self) -> int:
        """The version that the candidate would take over from, 0 for none; not before somebody asks.

        Another one may have been promoted while the candidate was fitted.
        """
        return RolloutFiles(self._settings).read().stable or 0

    @cached_property
    def _stable_outputs(self) -> Outputs | None:
        model_dir = self._settings.model_dir
        if self._stable not in versions_on_disk(model_dir):
            return None
        return predict_images(Candidate(model_dir / str(self._stable)), self._test_split.images)

    def _publish(self, dataset: DatasetSummary, training: Training, evaluation: Evaluation, decision: Decision) -> int:
        self._tell(Step.PUBLISH)
        model_dir = self._settings.model_dir
        # The version itself is the record of this step: it appears in the moment in which it is published.
        if published := published_by(model_dir, self._operation_id):
            return published
        approval = Approval(self._operation_id, decision.blessed, decision.reasons)
        source = DataSource(self._order.image_dir, "not stated")
        answers = self._answers(dataset)
        return publish(self._candidate_dir, model_dir, training, evaluation, answers, source, self._stable, approval)

    def _answers(self, dataset: DatasetSummary) -> Answers:
        stable = self._stable_outputs
        others = {} if stable is None else {f"version {self._stable}, stable before": stable}
        return Answers(self._test_split, self._outputs, others, dataset, self._settings.report_pictures)


def evaluated(settings: TrainerSettings, version: int) -> VersionEvaluation:
    """Measures a published version on the stored test split; raises NpzError where there is none."""
    split, directory = load_split(settings.test_npz), settings.model_dir / str(version)
    outputs = predict_images(Candidate(directory), split.images)
    return VersionEvaluation(version, evaluate(outputs, split.labels), seen_among(directory, split.images))
