"""What each method asks of its caller."""

from collections.abc import Mapping
from enum import Enum, StrEnum

from transport.calls import UNKNOWN_METHOD


class Right(StrEnum):
    """What a caller can be given; none contains another."""

    PREDICT = "predict"
    """To have slices classified."""
    TRAIN = "train"
    """To order, follow and cancel jobs, and to read about versions and their figures."""
    ADMIN = "admin"
    """To change what callers are answered with, and to delete."""


class Access(Enum):
    """Where no right is asked for."""

    OPEN = "for everybody"
    KNOWN = "for every caller who is known"


METHODS: Mapping[str, Right | Access] = {
    "/braintumor.v1.ClassifierService/GetServiceInfo": Right.PREDICT,
    "/braintumor.v1.ClassifierService/Predict": Right.PREDICT,
    "/braintumor.v1.ClassifierService/PredictStream": Right.PREDICT,
    "/braintumor.v1.TrainerService/Retrain": Right.TRAIN,
    "/braintumor.v1.TrainerService/WatchRetrain": Right.TRAIN,
    "/braintumor.v1.TrainerService/Evaluate": Right.TRAIN,
    "/google.longrunning.Operations/ListOperations": Right.TRAIN,
    "/google.longrunning.Operations/GetOperation": Right.TRAIN,
    "/google.longrunning.Operations/WaitOperation": Right.TRAIN,
    "/google.longrunning.Operations/CancelOperation": Right.TRAIN,
    "/google.longrunning.Operations/DeleteOperation": Right.ADMIN,
    "/braintumor.v1.ModelService/ListModelVersions": Right.TRAIN,
    "/braintumor.v1.ModelService/GetModelVersion": Right.TRAIN,
    "/braintumor.v1.ModelService/GetModelReport": Right.TRAIN,
    "/braintumor.v1.ModelService/PromoteModelVersion": Right.ADMIN,
    "/braintumor.v1.ModelService/RollbackModel": Right.ADMIN,
    "/braintumor.v1.ModelService/SetCanary": Right.ADMIN,
    # Probes and load balancers have no tokens, and learn no more than whether it is well.
    "/grpc.health.v1.Health/Check": Access.OPEN,
    "/grpc.health.v1.Health/Watch": Access.OPEN,
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": Access.KNOWN,
    UNKNOWN_METHOD: Access.KNOWN,
}
"""Every method of every service, as "/package.Service/Method", and what stands for all others."""


def access_to(method: str) -> Right | Access:
    """Returns what a method asks of its caller: one that nobody thought of asks for the most."""
    return METHODS.get(method, Right.ADMIN)
