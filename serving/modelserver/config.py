"""Checks of a ModelServerConfig before it is put to use."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from serving.modelserver.errors import FailedPreconditionError, InvalidArgumentError, UnimplementedError
from serving.modelserver.text_files import parse_text_file
from tfserving_api.messages import ModelServerConfig

TENSORFLOW = "tensorflow"

_MODEL_TYPE_TENSORFLOW = 1
_URI = re.compile(r"(?P<scheme>[a-zA-Z][0-9a-zA-Z.]*)://[^/]*(?P<path>.*)", re.DOTALL)


def single_model_config(name: str, base_path: str) -> Any:
    """The ModelServerConfig that `--model_name` and `--model_base_path` stand for."""
    config = ModelServerConfig()
    absolute = base_path if _URI.fullmatch(base_path) else str(Path(base_path).absolute())
    config.model_config_list.config.add(name=name, base_path=absolute, model_platform=TENSORFLOW)
    return config


def parse_config_file(path: Path) -> Any:
    """Reads a ModelServerConfig, as `parse_text_file`."""
    return parse_text_file(path, ModelServerConfig())


def local_base_path(config: Any) -> Path:
    """The directory with the versions of a model. The host of a `file://` URI means nothing, as in the original.

    Raises:
      InvalidArgumentError: the path is relative.
      UnimplementedError: it is on another file system.
    """
    uri = _URI.fullmatch(config.base_path)
    if uri and uri["scheme"] != "file":
        raise UnimplementedError(
            f"File system scheme '{uri['scheme']}' not implemented (file: '{config.base_path}'); "
            "this stand-in for TensorFlow Serving reads local files only"
        )
    path = uri["path"] if uri else config.base_path
    if not path.startswith("/"):
        raise InvalidArgumentError(
            f"Expected model {config.name} to have an absolute path or URI; got base_path()={config.base_path}"
        )
    return Path(path)


def platform(config: Any) -> str:
    """The platform that a ModelConfig asks for.

    Raises:
      InvalidArgumentError: none, two, or one that is not TensorFlow.
    """
    if config.model_type and config.model_platform:
        raise InvalidArgumentError(
            "Illegal setting both ModelServerConfig::model_type (deprecated) and ModelServerConfig::model_platform."
        )
    if config.model_type not in {0, _MODEL_TYPE_TENSORFLOW}:
        raise InvalidArgumentError(f"ModelServerConfig::model_type choice {config.model_type} not supported.")
    if not config.model_type and not config.model_platform:
        raise InvalidArgumentError(
            "Illegal setting neither ModelServerConfig::model_type (deprecated) nor ModelServerConfig::model_platform, "
            f"model name is {config.name}"
        )
    return str(config.model_platform) or TENSORFLOW


def validate_kind(new: Any, old: Any) -> None:
    """Checks that a ModelServerConfig is a list of models, or empty where there was none before.

    Raises:
      FailedPreconditionError: it is something else, and comes after a list.
      InvalidArgumentError: it is the first, and a custom config. The original's process ends there.
    """
    kind = new.WhichOneof("config")
    if old.WhichOneof("config") and kind != "model_config_list":
        raise FailedPreconditionError(
            "Cannot transition to requested config. It is only legal to transition from one ModelConfigList to another."
        )
    if kind not in {None, "model_config_list"}:
        raise InvalidArgumentError("Invalid ServerModelConfig: only ModelConfigList is supported")


def validate(new: Iterable[Any], old: Iterable[Any]) -> None:
    """Checks a list of ModelConfigs, also against the one that it replaces, but for platforms of new models.

    Raises:
      InvalidArgumentError, UnimplementedError: with the first thing that is wrong.
    """
    old_platforms = {config.name: platform(config) for config in old}
    seen: set[str] = set()
    for config in new:
        if config.name in seen:
            raise InvalidArgumentError(f"Illegal to list model {config.name} multiple times in config list")
        seen.add(config.name)
    for config in new:
        local_base_path(config)
    for config in new:
        old_platform = old_platforms.get(config.name)
        if old_platform and platform(config) != old_platform:
            raise InvalidArgumentError(
                f"Illegal to change a model's platform. For model {config.name} platform was {old_platform} "
                f"and new platform requested is {platform(config)}"
            )


def validate_platforms(new: Iterable[Any]) -> None:
    """Checks that models are of a platform that is served. In the original labels come before.

    Raises:
      InvalidArgumentError: one is not.
    """
    for config in new:
        if platform(config) != TENSORFLOW:
            raise InvalidArgumentError(f"Model {config.name} requests unsupported platform {platform(config)}")
