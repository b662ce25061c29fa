"""Messages as JSON for programs: field names of the contract, and numbers that are numbers."""

import json
from collections.abc import MutableMapping, MutableSequence
from typing import Any

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from braintumor.jobs import Job


def message_line(message: Message) -> str:
    """Returns a message on one line."""
    return json.dumps(as_record(message))


def job_line(job: Job) -> str:
    """Returns a job on one line: its operation, what is known of its progress, and its response or error."""
    record = {"operation": job.operation, "done": job.done, **as_record(job.metadata)}
    if job.response is not None:
        record["response"] = as_record(job.response)
    if job.error is not None:
        record["error"] = {"code": job.error.code.name, "reason": job.error.reason, "message": job.error.message}
    return json.dumps(record)


def as_record(message: Message) -> dict[str, Any]:
    """Returns all fields of a message; those that hold no message are left out.

    Unlike protobuf's own JSON it makes 64-bit integers numbers, so that they compare as such. Times are text as
    RFC 3339 has it, values of enums their names.
    """
    return {
        field.name: _value(field.enum_type, getattr(message, field.name))
        for field in message.DESCRIPTOR.fields
        if not field.has_presence or message.HasField(field.name)
    }


def word(message: Message, field_name: str) -> str:
    """Returns the value of an enum for people: without the enum's own name, in lower case."""
    enum = message.DESCRIPTOR.fields_by_name[field_name].enum_type
    name = value_name(enum, getattr(message, field_name))
    return name.removeprefix(value_name(enum, 0).removesuffix("UNSPECIFIED")).lower().replace("_", " ")


def value_name(enum: Any, number: int) -> str:
    """Returns the name of a value of an enum, or the number of one that this client is too old to know."""
    value = enum.values_by_number.get(number)
    return value.name if value else str(number)


def _value(enum: Any, value: Any) -> Any:
    if isinstance(value, Timestamp):
        return value.ToJsonString()
    if isinstance(value, Message):
        return as_record(value)
    if isinstance(value, MutableMapping):
        return dict(value)
    if isinstance(value, MutableSequence):
        return [_value(enum, item) for item in value]
    return value if enum is None else value_name(enum, value)
