"""The client for threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import grpc
from typing_extensions import Self, Unpack

from leadchat.inbox.v1 import inbox_pb2, inbox_service_pb2_grpc
from leadchat.inbox.v1 import inbox_service_pb2 as pb
from leadchat_inbox.cache import InboxCache
from leadchat_inbox.connection import (
    Address,
    CallOptions,
    Connection,
    Metadata,
    Tls,
    WatchOptions,
    bearer,
    metadata_of,
    supplying_token,
)
from leadchat_inbox.errors import error_from_call
from leadchat_inbox.watch import Watch

# The server ends every call before.
MAX_CALL_SECONDS = 35.0

Request = TypeVar("Request")
Response = TypeVar("Response")


class InboxClient:
    """Calls the inbox service. One client is enough for all threads of a process.

    `address` is `host:port`, `unix:/path`, or a list of `host:port` for replicas, whose names are
    resolved once. `token` returns the caller's token, and is asked for each call. `timeout` is the
    default deadline of a call, in seconds. `options` are further channel arguments of gRPC.
    Calls that fail raise `InboxError`.
    """

    def __init__(
        self,
        address: Address,
        *,
        tls: Tls | None = None,
        token: Callable[[], str] | None = None,
        timeout: float = 5.0,
        max_response_bytes: int | None = None,
        options: Sequence[tuple[str, Any]] = (),
    ) -> None:
        self._connection = Connection(address, tls, max_response_bytes, options)
        self._token = token
        self._timeout = timeout
        self._lock = threading.Lock()
        self._closed = False
        self._open()

    def _open(self) -> None:
        target, options = self._connection.target, self._connection.options
        credentials = self._connection.credentials
        self._channel = (
            grpc.insecure_channel(target, options)
            if credentials is None
            else grpc.secure_channel(target, credentials, options)
        )
        self._stub = inbox_service_pb2_grpc.InboxServiceStub(self._channel)

    @property
    def stub(self) -> inbox_service_pb2_grpc.InboxServiceStub:
        """The generated stub: without the deadline, tokens and errors of this layer.

        Take it anew for each call, since a renewed certificate needs a new one.
        """
        with self._lock:
            if self._closed:
                raise ValueError("the client is closed")
            if self._connection.reload():
                # Calls in flight end on the old channel.
                timer = threading.Timer(MAX_CALL_SECONDS, self._channel.close)
                timer.daemon = True
                timer.start()
                self._open()
            return self._stub

    def get(
        self, request: pb.GetInboxRequest, **options: Unpack[CallOptions]
    ) -> pb.GetInboxResponse:
        """One inbox."""
        return self._call(self.stub.GetInbox, request, options)

    def list(
        self, request: pb.ListInboxesRequest, **options: Unpack[CallOptions]
    ) -> pb.ListInboxesResponse:
        """One page of the inboxes that the viewer sees."""
        return self._call(self.stub.ListInboxes, request, options)

    def pages(
        self, request: pb.ListInboxesRequest, **options: Unpack[CallOptions]
    ) -> Iterator[pb.ListInboxesResponse]:
        """The pages of all inboxes, from that of the request on. Each is requested when needed."""
        page = pb.ListInboxesRequest()
        page.CopyFrom(request)
        while True:
            response = self.list(page, **options)
            page.page_token = response.next_page_token
            yield response
            if not page.page_token:
                return

    def inboxes(
        self, request: pb.ListInboxesRequest, **options: Unpack[CallOptions]
    ) -> Iterator[inbox_pb2.Inbox]:
        """The inboxes of these pages."""
        for page in self.pages(request, **options):
            yield from page.inboxes

    def batch(
        self, request: pb.BatchGetInboxesRequest, **options: Unpack[CallOptions]
    ) -> pb.BatchGetInboxesResponse:
        """Several inboxes by their ids. Request the `remaining_ids` of the response again."""
        return self._call(self.stub.BatchGetInboxes, request, options)

    def find(
        self, request: pb.FindInboxesRequest, **options: Unpack[CallOptions]
    ) -> pb.FindInboxesResponse:
        """The inboxes that own an external address."""
        return self._call(self.stub.FindInboxes, request, options)

    def explain(
        self, request: pb.ExplainAccessRequest, **options: Unpack[CallOptions]
    ) -> pb.ExplainAccessResponse:
        """Whether this caller may ask a question, and what the viewer would get."""
        return self._call(self.stub.ExplainAccess, request, options)

    def watch(self, request: pb.WatchInboxesRequest, **options: Unpack[WatchOptions]) -> Watch:
        """The events of a watch: the differences to `known`, then every change, without an end.

        It goes on by itself when a call ends. `clients/README.md` has the rule, in the section
        Watches. An error that ends the watch raises `InboxError`: then forget what is held.
        """
        return Watch(request, lambda: self.stub, lambda: self._watch_metadata(options))

    def open_cache(
        self, request: pb.WatchInboxesRequest, **options: Unpack[WatchOptions]
    ) -> InboxCache:
        """A cache that a watch keeps in the background. `known` of the request is left out."""
        first = pb.WatchInboxesRequest()
        first.CopyFrom(request)
        del first.known[:]
        return InboxCache(self.watch(first, **options))

    def _watch_metadata(self, options: WatchOptions) -> Metadata:
        of_call: CallOptions = {"metadata": options.get("metadata", ())}
        if "viewer_token" in options:
            viewer_token = options["viewer_token"]
            if callable(viewer_token):
                with supplying_token():
                    viewer_token = viewer_token()
            of_call["viewer_token"] = viewer_token
        return self._metadata(of_call)

    def _metadata(self, options: CallOptions) -> Metadata:
        metadata = metadata_of(options)
        if self._token is not None:
            with supplying_token():
                token = self._token()
            metadata.append(("authorization", bearer(token)))
        return metadata

    def _call(
        self,
        method: grpc.UnaryUnaryMultiCallable[Request, Response],
        request: Request,
        options: CallOptions,
    ) -> Response:
        metadata = self._metadata(options)
        timeout = options.get("timeout", self._timeout)
        try:
            response, call = method.with_call(request, timeout=timeout, metadata=tuple(metadata))
        except grpc.RpcError as error:
            if not isinstance(error, grpc.Call):
                raise
            raise error_from_call(error) from error
        if "on_headers" in options:
            options["on_headers"](dict(call.initial_metadata()))
        return response

    def close(self) -> None:
        """Closes the channel. Calls in flight are cancelled."""
        with self._lock:
            self._closed = True
            self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
