"""`braintumor retrain` and `braintumor watch` as processes: what they print where, and how they exit."""

import json
import signal
import subprocess

import grpc
import pytest
from braintumor.v1 import trainer_service_pb2 as pb

METRICS = pb.Metrics(loss=0.1234, accuracy=0.95, val_loss=0.14, val_accuracy=0.957)
EVALUATION = pb.Evaluation(examples=489, accuracy=0.982, auc=0.996, sensitivity=0.988, specificity=0.975)
BLESSED = pb.RetrainResponse(status="Model retraining complete", evaluation=EVALUATION, model_version=8, blessed=True)
REASON = "accuracy is 0.7000, below the least of 0.9000"
REFUSED = pb.RetrainResponse(status="Model retraining complete", evaluation=EVALUATION, reasons=[REASON])
REFUSED.excluded.update({"missing image": 3, "unknown label": 1})
FORCED = pb.RetrainResponse(evaluation=EVALUATION, model_version=8, reasons=[REASON])


def _script(trainer, **end):
    """A job of two epochs and its end."""
    trainer.streams.append(
        [
            trainer.job(state="RETRAIN_STATE_QUEUED"),
            trainer.job(state="RETRAIN_STATE_RUNNING", step="RETRAIN_STEP_BUILD_DATASET", progress=0.05),
            *(
                trainer.job(
                    state="RETRAIN_STATE_RUNNING",
                    step="RETRAIN_STEP_TRAIN",
                    epoch=epoch,
                    epochs=2,
                    progress=0.1 + epoch * 0.375,
                    metrics=METRICS if epoch else None,
                )
                for epoch in range(3)
            ),
            trainer.job(
                state="RETRAIN_STATE_SUCCEEDED" if "response" in end else "RETRAIN_STATE_FAILED",
                step="RETRAIN_STEP_PUBLISH",
                progress=1.0,
                metrics=METRICS,
                **end,
            ),
        ]
    )


def test_a_job_is_started_and_named(braintumor, trainer):
    options = "--image-dir raw/images --target-dir raw --target-file BrainTumor.csv --data-dir processed --epochs 20"
    done = braintumor("retrain", *options.split(), "--npz-filename", "data.npz", "--request-id", "mine")
    assert (done.stdout, done.returncode) == ("operations/mine\n", 0)
    assert done.stderr == "follow it with: braintumor watch operations/mine\n"
    assert trainer.requests == [
        pb.RetrainRequest(
            image_dir="raw/images",
            target_dir="raw",
            target_file="BrainTumor.csv",
            data_dir="processed",
            epochs=20,
            npz_filename="data.npz",
            request_id="mine",
        )
    ]


def test_the_way_back_names_an_address_that_was_given(braintumor, trainer):
    done = braintumor("retrain", "--request-id", "mine", "--address", trainer.address)
    assert done.stderr.endswith(f"braintumor watch operations/mine --address {trainer.address}\n")


def test_a_job_that_is_watched_tells_each_change_and_its_outcome(braintumor, trainer):
    _script(trainer, response=BLESSED)
    done = braintumor("retrain", "--request-id", "1", "--watch")
    assert done.stdout == (
        "version 8 is the stable one now\n"
        "  on the test split: accuracy 0.982, AUC 0.996, sensitivity 0.988, specificity 0.975, 489 slices\n"
    )
    figures = "loss 0.123 val_loss 0.140 val_accuracy 0.957"
    assert done.stderr.splitlines() == [
        "waits for the job before it",
        "5 % build dataset",
        "10 % epoch 0/2",
        f"48 % epoch 1/2 {figures}",
        f"85 % epoch 2/2 {figures}",
        f"100 % publish {figures}",
    ]
    assert done.returncode == 0


def test_json_is_a_line_per_change(braintumor, trainer):
    _script(trainer, response=BLESSED)
    done = braintumor("watch", "1", "--json")
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [record["state"] for record in records[:2]] == ["RETRAIN_STATE_QUEUED", "RETRAIN_STATE_RUNNING"]
    assert records[3]["metrics"]["val_accuracy"] == 0.957
    assert (records[3]["operation"], records[3]["epoch"], records[3]["epochs"]) == ("operations/1", 1, 2)
    assert "response" not in records[-2]
    assert (records[-1]["response"]["model_version"], records[-1]["done"]) == (8, True)
    assert done.returncode == 0


def test_a_version_that_the_gate_refuses_exits_with_4(braintumor, trainer):
    _script(trainer, response=REFUSED)
    done = braintumor("watch", "operations/1")
    assert done.stdout == ""
    assert done.stderr.splitlines()[-4] == "no new version: the gate refuses it"
    assert done.stderr.splitlines()[-2] == "  left out of the data set: 3 missing image, 1 unknown label"
    assert done.stderr.splitlines()[-1] == f"  gate: {REASON}"
    assert done.returncode == 4


def test_a_refusal_as_json_exits_with_4_too(braintumor, trainer):
    _script(trainer, response=REFUSED)
    done = braintumor("watch", "operations/1", "--json")
    assert json.loads(done.stdout.splitlines()[-1])["response"]["reasons"] == [REASON]
    assert done.returncode == 4


def test_a_version_that_was_forced_is_no_failure(braintumor, trainer):
    _script(trainer, response=FORCED)
    done = braintumor("watch", "operations/1")
    assert done.stdout.startswith("version 8 is the stable one now, although the gate refuses it\n")
    assert done.stdout.endswith(f"  gate: {REASON}\n")
    assert done.returncode == 0


def test_a_job_that_failed_exits_with_1_and_its_reason(braintumor, trainer):
    _script(trainer, error=(8, "DISK_FULL", "no space is left;\nfree some"))
    done = braintumor("watch", "operations/1")
    assert done.stdout == ""
    assert done.stderr.splitlines()[-1] == "Error: no space is left; free some (RESOURCE_EXHAUSTED, DISK_FULL)"
    assert done.returncode == 1


def test_a_job_that_is_not_there_exits_with_1(braintumor):
    done = braintumor("watch", "operations/9")
    assert done.stderr == "Error: there is no operations/9 (NOT_FOUND, OPERATION_NOT_FOUND)\n"
    assert done.returncode == 1


def test_a_stream_that_breaks_goes_unnoticed(braintumor, trainer):
    trainer.streams.append([trainer.job(epoch=1), grpc.StatusCode.UNAVAILABLE])
    _script(trainer, response=BLESSED)
    done = braintumor("watch", "operations/1")
    assert done.stdout.startswith("version 8 is the stable one now\n")
    assert done.returncode == 0


def test_a_service_that_goes_away_for_long_exits_with_3_and_the_way_back(braintumor, trainer):
    trainer.streams.append([trainer.job()])
    trainer.streams.extend([[grpc.StatusCode.UNAVAILABLE]] * 50)
    done = braintumor("watch", "operations/1", "--timeout", "0.5")
    assert "the job may go on; come back with: braintumor watch operations/1" in done.stderr.splitlines()
    assert done.returncode == 3


def test_a_service_that_hangs_exits_with_3_and_the_way_back(braintumor, trainer):
    trainer.streams.extend([[trainer.job(), None], *[[None]] * 9])
    done = braintumor("watch", "operations/1", "--timeout", "0.6")
    assert "the job may go on; come back with: braintumor watch operations/1" in done.stderr.splitlines()
    assert done.returncode == 3


def test_a_deadline_that_the_service_itself_reports_exits_with_3_and_the_way_back(braintumor, trainer):
    late = (4, "DEADLINE_EXCEEDED", "there was no answer in time")
    trainer.streams.append([trainer.job()])
    trainer.streams.extend([[late]] * 50)
    done = braintumor("watch", "operations/1", "--timeout", "0.5")
    assert "the job may go on; come back with: braintumor watch operations/1" in done.stderr.splitlines()
    assert done.returncode == 3


def test_a_token_that_ends_before_the_job_leaves_the_way_back(braintumor, trainer):
    trainer.streams.append([trainer.job(), (16, "TOKEN_EXPIRED", "The token has expired; get a new one.")])
    done = braintumor("retrain", "--request-id", "1", "--watch")
    assert done.stderr.splitlines()[-2:] == [
        "the job may go on; come back with: braintumor watch operations/1",
        "Error: The token has expired; get a new one. (UNAUTHENTICATED, TOKEN_EXPIRED)",
    ]
    assert done.returncode == 1


def test_ctrl_c_leaves_the_job_running(executable, environment, trainer):
    trainer.streams.append([trainer.job(epoch=1, progress=0.3), None])
    arguments = [executable, "retrain", "--request-id", "1", "--watch"]
    with subprocess.Popen(arguments, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr.readline() == "30 %\n"
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == "the job goes on; come back with: braintumor watch operations/1\n"
        assert process.wait(60) == 130
    assert trainer.left.wait(10)
    assert trainer.calls == ["Retrain", "WatchRetrain"]


def test_an_order_without_an_answer_is_repeated_without_a_second_job(braintumor, trainer):
    trainer.failures.extend([grpc.StatusCode.UNAVAILABLE] * 5)
    lost = braintumor("retrain", "--epochs", "20")
    assert lost.returncode == 3
    options = lost.stderr.splitlines()[0].partition(" repeat the command with ")[2].split()
    assert options[0] == "--request-id"
    assert braintumor("retrain", "--epochs", "20", *options).stdout == f"operations/{options[1]}\n"


def test_ctrl_c_while_a_job_is_ordered_says_how_to_repeat_it(executable, environment, trainer):
    trainer.silent = True
    arguments = [executable, "retrain", "--request-id", "ward 7"]
    with subprocess.Popen(arguments, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert trainer.asked.wait(30)
        process.send_signal(signal.SIGINT)
        assert process.stderr.read().endswith(" repeat the command with --request-id 'ward 7'\n")
        assert process.wait(60) == 130


def test_an_order_that_is_refused_is_not_to_be_repeated(braintumor, trainer):
    trainer.failures.append(grpc.StatusCode.INVALID_ARGUMENT)
    assert braintumor("retrain").stderr == "Error: scripted failure (INVALID_ARGUMENT)\n"


@pytest.mark.parametrize("columns", [80, 120])
def test_the_bar_is_redrawn_where_stderr_is_a_terminal(on_terminal, trainer, columns):
    _script(trainer, response=BLESSED)
    status, outcome, drawn = on_terminal("watch", "operations/1", COLUMNS=str(columns))
    assert status == 0
    frames = drawn.replace("\n", "").split("\r")
    assert all(len(frame) < columns for frame in frames)
    trained = next(frame for frame in frames if "epoch 2/2" in frame)
    assert trained.startswith("[###")
    assert "-] 85 % epoch 2/2 loss 0.123 val_loss 0.140 val_accuracy 0.957" in trained
    assert frames[-2].startswith("[#####") or frames[-1].startswith("[#####")
    assert outcome.startswith("version 8 is the stable one now\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["retrain", "--epochs", "0"],
        ["retrain", "raw/images"],
        ["watch"],
        ["retrain", "--seed", "0"],
        ["promote", "0"],
        ["promote", "99999999999999999999"],
        ["canary", "8"],
        ["canary", "--percent", "10"],
        ["canary", "8", "--percent", "101"],
        ["canary", "8", "--percent", "nan"],
        ["watch", "1", "--timeout", "nan"],
        ["version", "stable"],
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_with_2(braintumor, trainer, arguments):
    done = braintumor(*arguments)
    assert (done.stdout, done.returncode, trainer.calls) == ("", 2, [])
    assert "Error: " in done.stderr
