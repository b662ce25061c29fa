"""The MonitoringConfig that turns on Prometheus metrics.

Its message is not in the package tensorflow-serving-api, so its few fields are declared here.
Source: tensorflow_serving/config/monitoring_config.proto.
"""

from pathlib import Path

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from serving.modelserver.text_files import parse_text_file

DEFAULT_PATH = "/monitoring/prometheus/metrics"

_PACKAGE = "tensorflow.serving"


def prometheus_path(config_file: Path) -> str | None:
    """The path of the metrics page, or None where the file turns it off.

    Raises:
      NotFoundError, InvalidArgumentError: no such file, or no MonitoringConfig.
    """
    config = parse_text_file(config_file, _monitoring_config_class()())
    if not config.prometheus_config.enable:
        return None
    return str(config.prometheus_config.path) or DEFAULT_PATH


def _monitoring_config_class() -> type:
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="monitoring_config.proto", package=_PACKAGE, syntax="proto3")
    prometheus = file.message_type.add(name="PrometheusConfig")
    prometheus.field.add(name="enable", number=1, type=field.TYPE_BOOL, label=field.LABEL_OPTIONAL)
    prometheus.field.add(name="path", number=2, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    monitoring = file.message_type.add(name="MonitoringConfig")
    monitoring.field.add(
        name="prometheus_config",
        number=1,
        type=field.TYPE_MESSAGE,
        type_name=f".{_PACKAGE}.PrometheusConfig",
        label=field.LABEL_OPTIONAL,
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.MonitoringConfig"))
