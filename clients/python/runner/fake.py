"""A server of the contract whose behaviour an idiom chooses, and which records its calls."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf import duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

from leadchat.inbox.v1 import inbox_pb2, inbox_service_pb2_grpc
from leadchat.inbox.v1 import inbox_service_pb2 as pb

Context = Any
INBOXES = range(1, 8)


@dataclass
class Fake(inbox_service_pb2_grpc.InboxServiceServicer):
    """Answers with the next behaviour; without one, with inboxes that have an id alone."""

    behaviours: list[Callable[[Context], None]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    seconds_left: list[float] = field(default_factory=list)
    cancelled: threading.Event = field(default_factory=threading.Event)
    # The requests of the watches, and what each sends.
    watches: list[pb.WatchInboxesRequest] = field(default_factory=list)
    # When each watch began, by the monotonic clock.
    began: list[float] = field(default_factory=list)
    watch: Callable[[pb.WatchInboxesRequest, Context], Iterator[Any]] = lambda *_: iter(())
    address: str = ""

    def GetInbox(self, request: pb.GetInboxRequest, context: Context) -> pb.GetInboxResponse:
        self.behave(context)
        name = "x" * (5 << 20) if request.inbox_id == 99 else ""
        return pb.GetInboxResponse(inbox=inbox_pb2.Inbox(id=request.inbox_id, name=name))

    def ListInboxes(
        self, request: pb.ListInboxesRequest, context: Context
    ) -> pb.ListInboxesResponse:
        self.behave(context)
        first = int(request.page_token or INBOXES[0])
        end = min(first + request.page_size, INBOXES[-1] + 1)
        return pb.ListInboxesResponse(
            inboxes=[inbox_pb2.Inbox(id=id) for id in range(first, end)],
            next_page_token=str(end) if end in INBOXES else "",
        )

    def WatchInboxes(
        self, request: pb.WatchInboxesRequest, context: Context
    ) -> Iterator[pb.WatchInboxesResponse]:
        self.behave(context)
        return self.watch(request, context)

    def behave(self, context: Context) -> None:
        self.headers.append(dict(context.invocation_metadata()))
        self.seconds_left.append(context.time_remaining())
        if self.behaviours:
            self.behaviours.pop(0)(context)

    def wait(self, context: Context) -> None:
        """A behaviour: waits until the client gives up."""
        context.add_callback(self.cancelled.set)
        self.cancelled.wait(5)


def failure(
    code: grpc.StatusCode, reason: str = "", retry_seconds: int = 0, **metadata: str
) -> Callable[[Context], None]:
    """A behaviour: an error, with an ErrorInfo and a RetryInfo if there are a reason and a time."""

    def fail(context: Context) -> None:
        status = status_pb2.Status(code=code.value[0], message="a text")
        if reason:
            info = {"reason": reason, "domain": "inbox.leadchat", "metadata": metadata}
            pack(status, error_details_pb2.ErrorInfo(**info))
        if retry_seconds:
            delay = duration_pb2.Duration(seconds=retry_seconds)
            pack(status, error_details_pb2.RetryInfo(retry_delay=delay))
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        context.abort(code, "a text")

    return fail


def pack(status: Any, *details: Message) -> None:
    for detail in details:
        status.details.add().Pack(detail)


@contextmanager
def served() -> Iterator[Fake]:
    """A fake on a free port of this machine."""
    fake = Fake()  # type: ignore[abstract]
    server = grpc.server(ThreadPoolExecutor(4))
    inbox_service_pb2_grpc.add_InboxServiceServicer_to_server(fake, server)
    fake.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield fake
    finally:
        server.stop(0.5).wait()
