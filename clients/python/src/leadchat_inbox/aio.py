"""The client for asyncio."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import grpc
from typing_extensions import Self, Unpack

from leadchat.inbox.v1 import inbox_pb2, inbox_service_pb2_grpc
from leadchat.inbox.v1 import inbox_service_pb2 as pb
from leadchat_inbox.cache import AsyncInboxCache
from leadchat_inbox.connection import (
    Address,
    AsyncWatchOptions,
    CallOptions,
    Connection,
    Metadata,
    Tls,
    bearer,
    metadata_of,
    supplying_token,
)
from leadchat_inbox.errors import error_from_call
from leadchat_inbox.watch import AsyncWatch

if TYPE_CHECKING:
    from leadchat.inbox.v1.inbox_service_pb2_grpc import InboxServiceAsyncStub

Request = TypeVar("Request")
Response = TypeVar("Response")


async def supplied(supplier: Callable[[], str | Awaitable[str]]) -> str:
    """The token of a supplier, which may be a coroutine function."""
    with supplying_token():
        token = supplier()
        if isinstance(token, Awaitable):
            token = await token
    return token


class AsyncInboxClient:
    """As `InboxClient`, for one event loop: that of the first call.

    `token` may be a coroutine function.
    """

    def __init__(
        self,
        address: Address,
        *,
        tls: Tls | None = None,
        token: Callable[[], str | Awaitable[str]] | None = None,
        timeout: float = 5.0,
        max_response_bytes: int | None = None,
        options: Sequence[tuple[str, Any]] = (),
    ) -> None:
        self._connection = Connection(address, tls, max_response_bytes, options)
        self._token = token
        self._timeout = timeout
        self._channel: grpc.aio.Channel | None = None
        self._closed = False

    @property
    def stub(self) -> InboxServiceAsyncStub:
        """The generated stub: without the deadline, tokens and errors of this layer.

        Take it anew for each call, since a renewed certificate needs a new one.
        """
        return self._current()[1]

    def _current(self) -> tuple[grpc.aio.Channel, InboxServiceAsyncStub]:
        if self._closed:
            raise ValueError("the client is closed")
        connection = self._connection
        # A channel belongs to a loop, and a client may be made before there is one.
        if connection.reload() or self._channel is None:
            self._channel = (
                grpc.aio.insecure_channel(connection.target, connection.options)
                if connection.credentials is None
                else grpc.aio.secure_channel(
                    connection.target, connection.credentials, connection.options
                )
            )
            self._stub = inbox_service_pb2_grpc.InboxServiceStub(self._channel)
        return self._channel, self._stub

    async def get(
        self, request: pb.GetInboxRequest, **options: Unpack[CallOptions]
    ) -> pb.GetInboxResponse:
        """One inbox."""
        return await self._call(lambda stub: stub.GetInbox, request, options)

    async def list(
        self, request: pb.ListInboxesRequest, **options: Unpack[CallOptions]
    ) -> pb.ListInboxesResponse:
        """One page of the inboxes that the viewer sees."""
        return await self._call(lambda stub: stub.ListInboxes, request, options)

    async def pages(
        self, request: pb.ListInboxesRequest, **options: Unpack[CallOptions]
    ) -> AsyncIterator[pb.ListInboxesResponse]:
        """The pages of all inboxes, from that of the request on. Each is requested when needed."""
        page = pb.ListInboxesRequest()
        page.CopyFrom(request)
        while True:
            response = await self.list(page, **options)
            page.page_token = response.next_page_token
            yield response
            if not page.page_token:
                return

    async def inboxes(
        self, request: pb.ListInboxesRequest, **options: Unpack[CallOptions]
    ) -> AsyncIterator[inbox_pb2.Inbox]:
        """The inboxes of these pages."""
        async for page in self.pages(request, **options):
            for inbox in page.inboxes:
                yield inbox

    async def batch(
        self, request: pb.BatchGetInboxesRequest, **options: Unpack[CallOptions]
    ) -> pb.BatchGetInboxesResponse:
        """Several inboxes by their ids. Request the `remaining_ids` of the response again."""
        return await self._call(lambda stub: stub.BatchGetInboxes, request, options)

    async def find(
        self, request: pb.FindInboxesRequest, **options: Unpack[CallOptions]
    ) -> pb.FindInboxesResponse:
        """The inboxes that own an external address."""
        return await self._call(lambda stub: stub.FindInboxes, request, options)

    async def explain(
        self, request: pb.ExplainAccessRequest, **options: Unpack[CallOptions]
    ) -> pb.ExplainAccessResponse:
        """Whether this caller may ask a question, and what the viewer would get."""
        return await self._call(lambda stub: stub.ExplainAccess, request, options)

    def watch(
        self, request: pb.WatchInboxesRequest, **options: Unpack[AsyncWatchOptions]
    ) -> AsyncWatch:
        """The events of a watch, as `InboxClient.watch` has them."""
        return AsyncWatch(request, self._current, lambda: self._watch_metadata(options))

    def open_cache(
        self, request: pb.WatchInboxesRequest, **options: Unpack[AsyncWatchOptions]
    ) -> AsyncInboxCache:
        """A cache that a watch keeps in a task. `known` of the request is left out."""
        first = pb.WatchInboxesRequest()
        first.CopyFrom(request)
        del first.known[:]
        return AsyncInboxCache(self.watch(first, **options))

    async def _watch_metadata(self, options: AsyncWatchOptions) -> Metadata:
        of_call: CallOptions = {"metadata": options.get("metadata", ())}
        if "viewer_token" in options:
            viewer_token = options["viewer_token"]
            if callable(viewer_token):
                viewer_token = await supplied(viewer_token)
            of_call["viewer_token"] = viewer_token
        return await self._metadata(of_call)

    async def _metadata(self, options: CallOptions) -> Metadata:
        metadata = metadata_of(options)
        if self._token is not None:
            metadata.append(("authorization", bearer(await supplied(self._token))))
        return metadata

    async def _call(
        self,
        method: Callable[
            [InboxServiceAsyncStub], grpc.aio.UnaryUnaryMultiCallable[Request, Response]
        ],
        request: Request,
        options: CallOptions,
    ) -> Response:
        metadata = await self._metadata(options)
        timeout = options.get("timeout", self._timeout)
        # The call keeps the channel: one without references closes, and cancels its calls.
        _channel, stub = self._current()
        try:
            call = method(stub)(request, timeout=timeout, metadata=tuple(metadata))
            response = await call
        except grpc.aio.AioRpcError as error:
            raise error_from_call(error) from error
        if "on_headers" in options:
            options["on_headers"](dict(await call.initial_metadata()))
        return response

    async def close(self) -> None:
        """Closes the channel. Calls in flight are cancelled."""
        self._closed = True
        if self._channel is not None:
            await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
