"""Message classes of TensorFlow Serving's API, from the descriptors that `extract` wrote.

They live in a descriptor pool of their own, so that a process which also loads TensorFlow
has two classes of each message and no clash. On the wire they are the same.
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from tfserving_api.extract import DESCRIPTORS

pool = descriptor_pool.DescriptorPool()
"""Holds every descriptor, the services' too."""


def _load() -> dict[str, Any]:
    try:
        serialized = DESCRIPTORS.read_bytes()
    except FileNotFoundError as err:
        raise ImportError(f"{DESCRIPTORS.name} is missing; make it with: python -m tfserving_api.extract") from err
    files = descriptor_pb2.FileDescriptorSet.FromString(serialized)
    for file in files.file:
        pool.Add(file)
    return message_factory.GetMessageClassesForFiles([file.name for file in files.file], pool)


_classes = _load()

TensorProto: Any = _classes["tensorflow.TensorProto"]
SavedModel: Any = _classes["tensorflow.SavedModel"]
SignatureDef: Any = _classes["tensorflow.SignatureDef"]
RunOptions: Any = _classes["tensorflow.RunOptions"]

ModelSpec: Any = _classes["tensorflow.serving.ModelSpec"]
PredictRequest: Any = _classes["tensorflow.serving.PredictRequest"]
PredictResponse: Any = _classes["tensorflow.serving.PredictResponse"]
GetModelMetadataRequest: Any = _classes["tensorflow.serving.GetModelMetadataRequest"]
GetModelMetadataResponse: Any = _classes["tensorflow.serving.GetModelMetadataResponse"]
SignatureDefMap: Any = _classes["tensorflow.serving.SignatureDefMap"]
GetModelStatusRequest: Any = _classes["tensorflow.serving.GetModelStatusRequest"]
GetModelStatusResponse: Any = _classes["tensorflow.serving.GetModelStatusResponse"]
ReloadConfigRequest: Any = _classes["tensorflow.serving.ReloadConfigRequest"]
ReloadConfigResponse: Any = _classes["tensorflow.serving.ReloadConfigResponse"]
ModelServerConfig: Any = _classes["tensorflow.serving.ModelServerConfig"]
PredictionLog: Any = _classes["tensorflow.serving.PredictionLog"]

DT_UINT8: int = TensorProto.DESCRIPTOR.fields_by_name["dtype"].enum_type.values_by_name["DT_UINT8"].number
