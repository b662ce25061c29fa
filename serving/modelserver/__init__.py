"""The embedded stand-in for `tensorflow_model_server`, for machines without the official container.

    python -m serving.modelserver --port=8500 --model_name=m --model_base_path=/models/m

It speaks TensorFlow Serving's gRPC API, takes its flags and watches the same directories, so that no
client can tell the two apart. It is for one machine and small enough to read in an hour; production is
TensorFlow Serving.

Two engines run the versions. OpenVINO is faster, and the process then holds no TensorFlow; it is taken where it can
convert every signature, nothing in these is known to come out otherwise, and it gives the answers that travel with the
version as warm-up records. Else TensorFlow's own runtime is. The log says which, and why; `--engine` forces one.

Left out on purpose: Classify, Regress, MultiInference and SessionRun answer UNIMPLEMENTED, and warm-up records of the
first three are passed over; REST serves status, metadata and metrics, no predictions; requests are not batched on the
server (the gateway batches), so `--enable_batching` only warns; TensorFlow Lite, TLS and custom platforms and
configurations are start-up errors; versions with operations of TensorFlow Text or Decision Forests, which the original
brings along, do not load.

On purpose otherwise: an unknown flag is an error; a relative `--model_base_path` begins at the working
directory; `--port=0` takes a free port, where the original has none then; predictions beyond `--grpc_max_threads`
wait and are not refused; there is reflection, and no profiler; on OpenVINO inputs have to have the signature's shape,
NaN or infinity in them may come out as a number, and requests to one signature take turns, each with all cores; no
request is logged, whatever a `logging_config` says; a reload tells of a metric how much it has grown over all its
labels, not of the first; warm-up requests are read before the graph, so that what is wrong with their file is told
first.

On purpose better than the original: a version directory without its variables is refused; SIGTERM drains;
a broken or retrying version holds up no other, nor the start; a version number that failed is tried again when its
directory changes; new models are found after a reload also with `--file_system_poll_wait_seconds=0`; those of the
config file hold up no later change of it; the health status is live; it listens on 127.0.0.1 unless told otherwise.

The way of a version: `source` finds it, `manager` has `loader` load it (`saved_model`, an engine, `golden`, `warmup`),
and `states` tells how it is. Of a call: `grpc_handlers`, `prediction_service`, `server_core` for the version that it
means, `predict`, and that version's engine.
"""
