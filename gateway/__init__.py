"""Gateway: takes encoded slices over gRPC and answers with the verdict of the model in serving.

The way of one image, from `Predict` to the answer:

    interceptors/         a request id, the caller, their rights and rate; then, where `admission` has room, the request
    services/classifier   from the message to a query, and from the answer to a message
    classify              which version is asked, and what is done where it is gone
    backend/versions, canary            what serving holds, and who gets the canary; backend_monitor looks each second
    decoding, imaging/    in a thread, the file becomes pixels of the size and channels that this version wants
    backend/batcher       it goes with other images that wait, in one call
    backend/fleet         to the replica whose turn it is, and to the next where that one refuses
    backend/replica, serving_client     the call to TensorFlow Serving
    verdict, explanation  what the model's outputs say
    audit                 where there is a log of verdicts, it is in there before it is answered

What belongs to the call as a whole goes along in context variables: `caller.current`, `deadline.current` (set by
interceptors/receiving), what `telemetry.call` has to tell at its end, and request id and trace in `observability`.
"""

__version__ = "0.1.0"
