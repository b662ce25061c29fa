"""Configuration files, which are messages in text format."""

import logging
from pathlib import Path
from typing import Any

from google.protobuf import text_format

from serving.modelserver.errors import InvalidArgumentError, NotFoundError
from tfserving_api.messages import pool

_log = logging.getLogger(__name__)


def parse_text_file(path: Path, message: Any) -> Any:
    """Fills a message with what a file says, and returns it.

    Raises:
      NotFoundError: no such file.
      InvalidArgumentError: not that message. The log tells line and column.
    """
    try:
        return text_format.Parse(path.read_text("utf-8"), message, descriptor_pool=pool)
    except FileNotFoundError as err:
        raise NotFoundError(f"{path}; No such file or directory") from err
    except (OSError, UnicodeDecodeError, text_format.ParseError) as err:
        _log.error("Error parsing text-format %s: %s", message.DESCRIPTOR.full_name, err)
        raise InvalidArgumentError(f"Invalid protobuf file: '{path}'") from err
