"""Typed errors."""

import pickle
from typing import Any

import expect
import grpc
from fake import failure, pack, served
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

from leadchat.inbox.v1 import inbox_service_pb2 as pb
from leadchat_inbox import InboxClient, InboxError, Other, Reason, error_from_status

Servers = dict[str, Any]


def missing_inbox(servers: Servers) -> InboxError:
    with InboxClient(servers["plain"]["address"]) as client:
        error = expect.raises(InboxError, lambda: client.get(expect.request(99)))
    assert isinstance(error, InboxError)
    return error


def typed(servers: Servers) -> None:
    for error in expect.both_get(
        {"address": servers["plain"]["address"]},
        expect.request(99),
        metadata=[("x-request-id", "idioms-1")],
    ):
        assert isinstance(error, InboxError)
        expect.equal(error.code, grpc.StatusCode.NOT_FOUND)
        expect.that(error.reason is Reason.INBOX_NOT_FOUND, "a member of Reason")
        expect.equal(error.request_id, "idioms-1")
        expect.that(isinstance(error.__cause__, grpc.RpcError), "the error of gRPC as the cause")
        expect.that("INBOX_NOT_FOUND: there is no such inbox" in str(error), "reason and text")


def can_be_pickled(servers: Servers) -> None:
    error = missing_inbox(servers)
    copy = pickle.loads(pickle.dumps(error))
    expect.equal((copy.reason, str(copy)), (error.reason, str(error)))


def other_reason_in_match(servers: Servers) -> None:
    def kind(error: InboxError) -> str:
        match error.reason:
            case Reason.INBOX_NOT_FOUND:
                return "not found"
            case Other(text):
                return f"other: {text}"
            case None:
                return "none"
            case known:
                return str(known.value)

    with served() as fake, InboxClient(fake.address) as client:
        for reason, result in (
            ("INBOX_NOT_FOUND", "not found"),
            ("FROM_THE_FUTURE", "other: FROM_THE_FUTURE"),
            ("", "none"),
            ("OVERLOADED", "OVERLOADED"),
        ):
            fake.behaviours.append(failure(grpc.StatusCode.NOT_FOUND, reason))
            error = expect.raises(InboxError, lambda: client.get(expect.request()))
            assert isinstance(error, InboxError)
            expect.equal(kind(error), result)


def reasons_are_those_of_the_contract(_: Servers) -> None:
    names = {it.removeprefix("ERROR_REASON_") for it in pb.ErrorReason.keys()} - {"UNSPECIFIED"}
    expect.equal({reason.value for reason in Reason}, names)
    expect.equal({reason.name for reason in Reason}, names)


def details_that_cannot_be_decoded(_: Servers) -> None:
    error = error_from_status(grpc.StatusCode.INTERNAL, "a text", b"\xff\xff")
    expect.equal((error.reason, error.message, error.fields), (None, "a text", ()))
    status = status_pb2.Status()
    pack(status, error_details_pb2.ErrorInfo(reason="OVERLOADED", domain="proxy.example"))
    pack(status, error_details_pb2.ErrorInfo(reason="OVERLOADED", domain="inbox.leadchat"))
    status.details[0].value = b"\xff\xff"
    error = error_from_status(8, "a text", status.SerializeToString())
    expect.equal(
        (error.code, error.reason), (grpc.StatusCode.RESOURCE_EXHAUSTED, Reason.OVERLOADED)
    )


def several_details(_: Servers) -> None:
    def bad(field: str) -> error_details_pb2.BadRequest:
        violation = error_details_pb2.BadRequest.FieldViolation(field=field, description="bad")
        return error_details_pb2.BadRequest(field_violations=[violation])

    status = status_pb2.Status()
    pack(status, error_details_pb2.ErrorInfo(reason="QUOTA", domain="proxy.example"), bad("a"))
    for reason, seconds in (("OVERLOADED", 1), ("INTERNAL", 2)):
        pack(status, error_details_pb2.ErrorInfo(reason=reason, domain="inbox.leadchat"))
        pack(status, error_details_pb2.RetryInfo(retry_delay=Duration(seconds=seconds)))
    pack(status, bad("b"))
    error = error_from_status(8, "two\nlines", status.SerializeToString(), "17")
    expect.equal((error.reason, error.retry_delay), (Reason.OVERLOADED, 1.0))
    text = "RESOURCE_EXHAUSTED OVERLOADED: two lines; a bad; b bad (request id 17)"
    expect.equal(str(error), text)


def request_id_of_trailers_before_headers(_: Servers) -> None:
    def fail(context: Any) -> None:
        context.send_initial_metadata((("x-request-id", "header"),))
        context.set_trailing_metadata(trailers.pop())
        context.abort(grpc.StatusCode.INTERNAL, "a text")

    trailers: list[tuple[tuple[str, str], ...]] = []
    with served() as fake:
        for request_id in ("trailer", "header"):
            fake.behaviours = [fail, fail]
            is_trailer = request_id == "trailer"
            trailers = [(("x-request-id", "trailer"),) if is_trailer else ()] * 2
            for error in expect.both_get({"address": fake.address}, expect.request()):
                assert isinstance(error, InboxError)
                expect.equal(error.request_id, request_id)


CHECKS = [
    typed,
    can_be_pickled,
    other_reason_in_match,
    reasons_are_those_of_the_contract,
    details_that_cannot_be_decoded,
    several_details,
    request_id_of_trailers_before_headers,
]
