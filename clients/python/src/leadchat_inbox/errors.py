"""The error of a failed call, made from its `google.rpc.Status`."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

DOMAIN = "inbox.leadchat"


class Reason(str, enum.Enum):
    """The values of `ErrorReason` without prefix; docs/errors.md explains them."""

    INVALID_REQUEST = "INVALID_REQUEST"
    INVALID_PAGE_TOKEN = "INVALID_PAGE_TOKEN"
    UNDECODABLE_REQUEST = "UNDECODABLE_REQUEST"
    REQUEST_TOO_LARGE = "REQUEST_TOO_LARGE"
    ACCESS_DENIED = "ACCESS_DENIED"
    ACCOUNT_SUSPENDED = "ACCOUNT_SUSPENDED"
    INBOX_NOT_FOUND = "INBOX_NOT_FOUND"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    STORE_UNAVAILABLE = "STORE_UNAVAILABLE"
    OVERLOADED = "OVERLOADED"
    SHUTTING_DOWN = "SHUTTING_DOWN"
    UNKNOWN_METHOD = "UNKNOWN_METHOD"
    INTERNAL = "INTERNAL"
    COMPRESSION_NOT_SUPPORTED = "COMPRESSION_NOT_SUPPORTED"
    LATEST_ON_STANDBY = "LATEST_ON_STANDBY"
    CREDENTIALS_MISSING = "CREDENTIALS_MISSING"
    CREDENTIALS_INVALID = "CREDENTIALS_INVALID"
    CREDENTIALS_EXPIRED = "CREDENTIALS_EXPIRED"
    CALLER_UNKNOWN = "CALLER_UNKNOWN"
    CALLER_NOT_PERMITTED = "CALLER_NOT_PERMITTED"
    CALLER_LIMIT_EXCEEDED = "CALLER_LIMIT_EXCEEDED"
    TOO_MANY_WATCHES = "TOO_MANY_WATCHES"
    RECONNECT = "RECONNECT"


@dataclass(frozen=True)
class Other:
    """A reason of a later server, which this client does not know."""

    value: str


class FieldViolation(NamedTuple):
    """An invalid field of the request: its path, and what is wrong with it."""

    field: str
    description: str


@dataclass(repr=False, eq=False)
class InboxError(Exception):
    """A call that failed. `__cause__` is the error of gRPC, or of the supplier of the token."""

    code: grpc.StatusCode
    # For people. It never quotes a stored value.
    message: str
    # None: the error comes from the library, from a proxy, or from the credentials of the client.
    reason: Reason | Other | None
    metadata: Mapping[str, str]
    fields: tuple[FieldViolation, ...]
    # Seconds.
    retry_delay: float | None
    request_id: str | None

    def __str__(self) -> str:
        words = [self.code.name, *([self.reason.value] if self.reason else [])]
        fields = "".join(f"; {it.field} {it.description}" for it in self.fields)
        request = f" (request id {self.request_id})" if self.request_id else ""
        # In one line.
        return " ".join(f"{' '.join(words)}: {self.message}{fields}{request}".split())


def error_from_status(
    code: grpc.StatusCode | int,
    message: str,
    details: bytes | None = None,
    request_id: str | None = None,
) -> InboxError:
    """The error of a status; `details` is the value of `grpc-status-details-bin`.

    Details that cannot be decoded are left out, and so is the ErrorInfo of another domain.
    """
    status = status_pb2.Status()
    try:
        status.ParseFromString(details or b"")
    except DecodeError:
        status.Clear()
    infos = _details_of(status, error_details_pb2.ErrorInfo)
    info = next((it for it in infos if it.domain == DOMAIN), error_details_pb2.ErrorInfo())
    delays = (it.retry_delay for it in _details_of(status, error_details_pb2.RetryInfo))
    # Positional, so that the error can be pickled.
    return InboxError(
        _CODES.get(code, grpc.StatusCode.UNKNOWN) if isinstance(code, int) else code,
        message,
        _reason(info.reason),
        dict(info.metadata),
        tuple(
            FieldViolation(it.field, it.description)
            for request in _details_of(status, error_details_pb2.BadRequest)
            for it in request.field_violations
        ),
        next((it.seconds + it.nanos / 1e9 for it in delays), None),
        request_id,
    )


_CODES: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}
_Detail = TypeVar("_Detail", bound=Message)


def _details_of(status: status_pb2.Status, kind: type[_Detail]) -> Iterator[_Detail]:
    """The details of one kind, in their order."""
    for packed in status.details:
        detail = kind()
        try:
            if packed.Unpack(detail):
                yield detail
        except DecodeError:
            continue


def _reason(text: str) -> Reason | Other | None:
    if not text:
        return None
    return Reason(text) if text in Reason.__members__ else Other(text)


def error_from_call(call: grpc.Call | grpc.aio.AioRpcError) -> InboxError:
    """The error of a call that gRPC reports as failed."""
    trailers = dict(call.trailing_metadata() or ())
    details = trailers.get("grpc-status-details-bin")
    request_id = (dict(call.initial_metadata() or ()) | trailers).get("x-request-id")
    return error_from_status(
        call.code(),
        call.details() or "",
        details if isinstance(details, bytes) else None,
        request_id if isinstance(request_id, str) else None,
    )
