"""TensorFlow Serving's messages, tensors, TFRecord and addresses, without TensorFlow in the process.

Importing `tensorflow_serving.apis` starts all of TensorFlow: seconds, and 540 MB. The messages
themselves need none of it. `extract` reads their descriptors out of the installed packages once,
as a build step; `messages` makes classes of them in 70 ms.
"""
