"""The client for asyncio."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import grpc
from typing_extensions import Self, Unpack

from leadchat.inbox.v1 import inbox_pb2, inbox_service_pb2_grpc
from leadchat.inbox.v1 import inbox_service_pb2 as pb
from leadchat_inbox.connection import Address, CallOptions, Connection, Tls
from leadchat_inbox.errors import error_from_call

if TYPE_CHECKING:
    from leadchat.inbox.v1.inbox_service_pb2_grpc import InboxServiceAsyncStub

Request = TypeVar("Request")
Response = TypeVar("Response")


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
        self._connection = Connection(address, tls, token is not None, max_response_bytes, options)
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

    async def inboxes(
        self, request: pb.ListInboxesRequest, **options: Unpack[CallOptions]
    ) -> AsyncIterator[inbox_pb2.Inbox]:
        """All inboxes, from the page of the request on. Each page is requested when needed."""
        page = pb.ListInboxesRequest()
        page.CopyFrom(request)
        while True:
            response = await self.list(page, **options)
            for inbox in response.inboxes:
                yield inbox
            if not response.next_page_token:
                return
            page.page_token = response.next_page_token

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

    async def _call(
        self,
        method: Callable[
            [InboxServiceAsyncStub], grpc.aio.UnaryUnaryMultiCallable[Request, Response]
        ],
        request: Request,
        options: CallOptions,
    ) -> Response:
        token = self._token() if self._token else None
        if token is not None and not isinstance(token, str):
            token = await token
        metadata = self._connection.metadata(token, options)
        timeout = options.get("timeout", self._timeout)
        # The call keeps the channel: one without references closes, and cancels its calls.
        channel, stub = self._current()
        try:
            call = method(stub)(request, timeout=timeout, metadata=metadata)
            response = await call
        except grpc.aio.AioRpcError as error:
            raise error_from_call(error) from error
        if "on_headers" in options:
            options["on_headers"](dict(await call.initial_metadata()))
        del channel
        return response

    async def close(self) -> None:
        """Closes the channel. Calls under way are cancelled."""
        self._closed = True
        if self._channel is not None:
            await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
