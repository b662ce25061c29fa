"""Bytes instead of messages, to every method of a gateway, with a trainer and a serving behind it."""

import itertools
import random
import time
from collections.abc import Callable, Iterator

import grpc
from braintumor.v1 import classifier_service_pb2, model_service_pb2, trainer_service_pb2
from google.longrunning import operations_pb2
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

_SERVICES = (
    classifier_service_pb2.DESCRIPTOR.services_by_name["ClassifierService"],
    trainer_service_pb2.DESCRIPTOR.services_by_name["TrainerService"],
    model_service_pb2.DESCRIPTOR.services_by_name["ModelService"],
    operations_pb2.DESCRIPTOR.services_by_name["Operations"],
    health_pb2.DESCRIPTOR.services_by_name["Health"],
    reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"],
)
METHODS: tuple[MethodDescriptor, ...] = tuple(method for service in _SERVICES for method in service.methods)
"""All that the gateway answers itself or hands on."""

_NUMBERS = (-(2**31), -1, 0, 1, 2, 7, 2**31 - 1)
_TEXTS = ("", "stable", "../..", "/etc/passwd", "a" * 5000, "\0", "operations/x", "héllo\u202e", "-", "raw", "%s%n")


def request(method: MethodDescriptor, images: list[bytes], rng: random.Random) -> bytes:
    """Returns a message of random fields, or what mutation makes of it, or any bytes."""
    if rng.random() < 0.15:
        return rng.randbytes(rng.randint(0, 200))
    message = GetMessageClass(method.input_type)()
    _fill(message, images, rng, 3)
    data = bytearray(message.SerializeToString())
    if data and rng.random() < 0.5:
        for _ in range(rng.randint(1, 6)):
            data[rng.randrange(min(len(data), 64))] = rng.randrange(256)
        if rng.random() < 0.3:
            del data[rng.randrange(len(data)) :]
    return bytes(data)


def _stalling(requests: list[bytes]) -> Iterator[bytes]:
    yield from requests
    time.sleep(1)


ENDLESS: tuple[Callable[[list[bytes]], Iterator[bytes]], ...] = (_stalling, itertools.cycle)
"""What makes streams of requests that stall or never end."""


def call(
    channel: grpc.Channel, method: MethodDescriptor, requests: Iterator[bytes], timeout_s: float
) -> grpc.StatusCode:
    """Makes one call of raw bytes, and reads its answers to the end; returns its status."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    kind = f"{'stream' if method.client_streaming else 'unary'}_{'stream' if method.server_streaming else 'unary'}"
    given: bytes | Iterator[bytes] = requests if method.client_streaming else next(requests)
    try:
        answer = getattr(channel, kind)(path)(given, timeout=timeout_s)
        if method.server_streaming:
            for _ in answer:
                pass
    except grpc.RpcError as err:
        return err.code()
    return grpc.StatusCode.OK


def _fill(message: Message, images: list[bytes], rng: random.Random, depth: int) -> None:
    for field in message.DESCRIPTOR.fields:
        if rng.random() < 0.3 or (field.message_type and depth == 0):
            continue
        if field.message_type and not field.is_repeated:
            _fill(getattr(message, field.name), images, rng, depth - 1)
        elif not field.message_type and not field.is_repeated:
            setattr(message, field.name, _value(field, images, rng))


def _value(field: FieldDescriptor, images: list[bytes], rng: random.Random) -> object:
    match field.cpp_type:
        case FieldDescriptor.CPPTYPE_STRING:
            return rng.choice(images) if field.type == FieldDescriptor.TYPE_BYTES else rng.choice(_TEXTS)
        case FieldDescriptor.CPPTYPE_BOOL:
            return rng.random() < 0.5
        case FieldDescriptor.CPPTYPE_FLOAT | FieldDescriptor.CPPTYPE_DOUBLE:
            return rng.choice((0.0, -1.0, 1e300, float("nan"), float("inf")))
        case FieldDescriptor.CPPTYPE_ENUM:
            return rng.choice((0, 1, 99))
        case FieldDescriptor.CPPTYPE_UINT32 | FieldDescriptor.CPPTYPE_UINT64:
            return abs(rng.choice(_NUMBERS))
        case _:
            return rng.choice(_NUMBERS)
