"""From an error to what callers are told: google.rpc.Status with its details."""

import logging

from google.rpc import status_pb2

from observability import request_id
from trainer.errors import TrainerError
from trainer.no_space import told_of_files
from transport.status import internal, status_of

_logger = logging.getLogger(__name__)


def to_status(error: Exception) -> status_pb2.Status:
    """Returns what a caller may know about an error, and logs the rest.

    Returns:
      As of `status_of`. An error of no known kind is INTERNAL, with a fixed text and the request id.
    """
    told = told_of_files(error)
    if not isinstance(error, TrainerError):
        _logger.error("call failed", exc_info=error)
    if not isinstance(told, TrainerError):
        return internal(request_id.current.get())
    _logger.debug("call refused", extra={"reason": told.reason, "refusal": str(told)})
    return status_of(told.status_code, told.reason, str(told), told.field, told.retry_after_s)
