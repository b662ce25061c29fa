"""Jobs in words, for people."""

from braintumor.cli.record import word
from braintumor.jobs import Job
from braintumor.v1.trainer_service_pb2 import (
    RETRAIN_STATE_QUEUED,
    RETRAIN_STEP_TRAIN,
    RETRAIN_STEP_UNSPECIFIED,
    Evaluation,
    RetrainResponse,
)


def progress_text(job: Job) -> str:
    """Returns how far a job is, such as "42 % epoch 8/20 loss 0.123 val_loss 0.140 val_accuracy 0.957"."""
    metadata, metrics = job.metadata, job.metadata.metrics
    if metadata.state == RETRAIN_STATE_QUEUED:
        return "waits for the job before it"
    words = [f"{metadata.progress:.0%}".replace("%", " %")]
    if metadata.step == RETRAIN_STEP_TRAIN:
        words.append(f"epoch {metadata.epoch}/{metadata.epochs}")
    elif metadata.step != RETRAIN_STEP_UNSPECIFIED:
        words.append(word(metadata, "step"))
    if metadata.HasField("metrics"):
        words.append(f"loss {metrics.loss:.3f} val_loss {metrics.val_loss:.3f} val_accuracy {metrics.val_accuracy:.3f}")
    return " ".join(words)


def outcome_text(job: Job) -> str:
    """Returns what an ended job came to, in a few words; empty for one that goes on."""
    if job.response is not None:
        version = job.response.model_version
        return f"version {version}" if version else "refused by the gate"
    return " ".join(str(job.error).split()) if job.error is not None else ""


def response_text(response: RetrainResponse) -> str:
    """Returns what a job that succeeded came to, with what was left out, and the gate's reasons: a line each."""
    if response.model_version:
        forced = "" if response.blessed else ", although the gate refuses it"
        head = f"version {response.model_version} is the stable one now{forced}"
    else:
        head = "no new version: the gate refuses it"
    figures = f"  on the test split: {figures_text(response.evaluation)}"
    excluded = ", ".join(f"{count} {why}" for why, count in sorted(response.excluded.items()))
    left_out = [f"  left out of the data set: {excluded}"] if excluded else []
    return "\n".join([head, figures, *left_out, *(f"  gate: {reason}" for reason in response.reasons)])


def figures_text(evaluation: Evaluation) -> str:
    """Returns the figures of a version in one line."""
    return (
        f"accuracy {evaluation.accuracy:.3f}, AUC {evaluation.auc:.3f}, sensitivity {evaluation.sensitivity:.3f}, "
        f"specificity {evaluation.specificity:.3f}, {evaluation.examples} slices"
    )
