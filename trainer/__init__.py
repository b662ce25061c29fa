"""Trainer: builds data sets, trains, evaluates and publishes versions of the model.

The way of one job, from `Retrain` to the version that answers:

    call_interceptor, audit         a request id, the request, and a line in the audit trail before anything is done
    services/training               from the message to an order, which jobs/orders fills in and checks
    operations                      it is on disk (jobs/operation_store), and waits
    jobs/jobs                       one job at a time, each to exactly one end
    jobs/retraining                 first a process that makes a version, then the rollout of what it made
    jobs/child, jobs/process        both sides of that process, which talk by jobs/messages
    pipeline                        the steps in it; each leaves a record in the job's directory (jobs/run_directory)
      dataset, data/                labelled images become a training and a test split
      train, training/              a network, a domain critic and a calibration are fitted, and become a SavedModel
      evaluate, gate                its figures on the test split: good enough, and no worse than the stable version's?
      rollout/infra_validation      a serving of its own loads it, and has to answer its golden requests as in training
      publish, model_card, report/  it gets its card and report, and by one rename its number
    rollout/rollout                 back in the daemon: serving loads it and answers once more, then the label moves

`server` puts the daemon together. What is done by hand, in `commands/`, uses the same parts without it.
"""

import os

# Else gRPC's core tells of each connection that fails, in plain text among the log's lines of JSON. It reads this when
# it is first imported, and trainer.errors does that.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
