"""Watches: the inboxes that a viewer may see, and then every change.

`Progress` decides what a watch sends next and when, and `Watch` and `AsyncWatch` make the calls.
"""

from __future__ import annotations

import asyncio
import math
import random
import threading
import time
import weakref
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import grpc
from typing_extensions import Self

from leadchat.inbox.v1 import inbox_service_pb2 as pb
from leadchat_inbox.connection import Metadata
from leadchat_inbox.errors import InboxError, Reason, error_from_call, error_from_status

if TYPE_CHECKING:
    from leadchat.inbox.v1.inbox_service_pb2_grpc import InboxServiceAsyncStub, InboxServiceStub

# The number of inboxes that a request may name.
MAX_KNOWN = 5000
# The time of three heartbeats.
SILENCE_SECONDS = 45.0
SILENCE_CHECK_SECONDS = 1.0
MIN_BACKOFF_SECONDS = 0.1
MAX_BACKOFF_SECONDS = 10.0
# Longer than the server keeps a connection whose certificate it has refused. A call on it would
# present the old certificate again.
CERTIFICATE_DELAY_SECONDS = 2.0
# The time from CREDENTIALS_EXPIRED to the next `synced`.
RENEWAL_SECONDS = 30.0

# Codes of a call whose connection has broken, where there is no reason.
_BROKEN = (
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.CANCELLED,
)
_BUSY = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    # A watch has no deadline: it did not begin within the time that the server has for a call.
    grpc.StatusCode.DEADLINE_EXCEEDED,
)

Report = Callable[[InboxError], object]


class Progress:
    """What a watch has passed on, and how it goes on after the end of a call."""

    def __init__(self, request: pb.WatchInboxesRequest) -> None:
        self._next = pb.WatchInboxesRequest()
        self._next.CopyFrom(request)
        # The etags of the inboxes that were passed on.
        self._held = {known.inbox_id: known.etag for known in request.known}
        # Inboxes that are held and have not come again, of a call that has named none.
        self._unseen: set[int] = set()
        # Whether a request with the known inboxes was too large.
        self._is_too_large = False
        # Since the last `synced`.
        self._failures = 0
        self._was_at_once = False
        # The first CREDENTIALS_EXPIRED, and when the watch ends with it, by the monotonic clock.
        self._expired: InboxError | None = None
        self._renewal_end = math.inf

    def begin(self) -> pb.WatchInboxesRequest:
        """The request of the next call."""
        if len(self._next.known) > MAX_KNOWN:
            del self._next.known[:]
        self._unseen = set() if self._next.known else set(self._held)
        return self._next

    def apply(self, event: pb.WatchInboxesResponse) -> Iterable[pb.WatchInboxesResponse]:
        """Notes what an event changes. The events to pass on."""
        kind = event.WhichOneof("event")
        if kind == "upserted":
            inbox = event.upserted
            before = self._held.get(inbox.id)
            self._held[inbox.id] = inbox.etag
            self._unseen.discard(inbox.id)
            if before == inbox.etag and inbox.etag:
                return ()
        elif kind == "removed":
            self._held.pop(event.removed.inbox_id, None)
            self._unseen.discard(event.removed.inbox_id)
        elif kind == "synced":
            removed = [self._removed(inbox_id, event) for inbox_id in sorted(self._unseen)]
            self._unseen = set()
            self._failures = 0
            self._was_at_once = False
            self._expired = None
            self._renewal_end = math.inf
            return (*removed, event)
        return (event,)

    def _removed(self, inbox_id: int, synced: pb.WatchInboxesResponse) -> pb.WatchInboxesResponse:
        del self._held[inbox_id]
        return pb.WatchInboxesResponse(
            removed=pb.InboxRemoved(inbox_id=inbox_id),
            disclosed_as=synced.disclosed_as,
            caller_withheld=synced.caller_withheld,
        )

    def delay(self, error: InboxError | None) -> float | None:
        """Seconds until the next call, after an error or an end without one. None: the last."""
        delay = self._delay(error)
        if delay is not None:
            delay = min(delay, max(0.0, self._renewal_end - time.monotonic()))
        del self._next.known[:]
        if not self._is_too_large and len(self._held) <= MAX_KNOWN:
            for inbox_id, etag in self._held.items():
                self._next.known.add(inbox_id=inbox_id, etag=etag)
        return delay

    def _delay(self, error: InboxError | None) -> float | None:
        reason = None if error is None else error.reason
        if reason in (Reason.RECONNECT, Reason.SHUTTING_DOWN):
            if not self._was_at_once:
                self._was_at_once = True
                return 0.0  # On the next replica.
        elif reason is Reason.REQUEST_TOO_LARGE:
            if not self._next.known:
                return None
            self._is_too_large = True
        elif reason is Reason.CREDENTIALS_EXPIRED:
            assert error is not None
            is_certificate = error.metadata.get("credential") == "certificate"
            if self._expired is None:
                self._expired = error
                self._renewal_end = time.monotonic() + RENEWAL_SECONDS
            elif not is_certificate:
                return None
            if is_certificate:  # Each replica may have a connection with the old one.
                return CERTIFICATE_DELAY_SECONDS
        elif error is not None and error.code not in _BUSY:
            if error.reason is not None or error.code not in _BROKEN:
                return None
        backoff = min(MIN_BACKOFF_SECONDS * 2 ** min(self._failures, 10), MAX_BACKOFF_SECONDS)
        self._failures += 1
        retry_delay = 0.0 if error is None else error.retry_delay or 0.0
        return retry_delay + random.uniform(backoff / 2, backoff)

    def patience(self) -> float:
        """Seconds to wait for an event. They suffice for an event that has come already."""
        left = max(self._renewal_end - time.monotonic(), MIN_BACKOFF_SECONDS)
        return min(SILENCE_SECONDS, left)

    def check_renewal(self) -> None:
        """Raises CREDENTIALS_EXPIRED once the time for new credentials is over."""
        if self._expired is not None and time.monotonic() >= self._renewal_end:
            raise self._expired from self._expired.__cause__


def _ignore(_: InboxError) -> None:
    """Reports nothing."""


class Watch:
    """An iterator of events, for threads: `InboxClient.watch` makes it.

    `close` ends it, also in another thread, and so does the end of `with`. After the client is
    closed, it raises `ValueError`.
    """

    def __init__(
        self,
        request: pb.WatchInboxesRequest,
        stub: Callable[[], InboxServiceStub],
        metadata: Callable[[], Metadata],
    ) -> None:
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._call: Any = None
        self._progress = Progress(request)
        self._stub = stub
        self._metadata = metadata
        # Gets each error after which the watch goes on.
        self.report: Report = _ignore
        self._events: deque[pb.WatchInboxesResponse] = deque()
        # Until when the iterator waits for an event, by the monotonic clock.
        self._waits_until: float | None = None
        self._guard: threading.Thread | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> pb.WatchInboxesResponse:
        while not self._closed.is_set():
            if self._events:
                return self._events.popleft()
            error: InboxError | None = None
            self._waits_until = time.monotonic() + self._progress.patience()
            try:
                call = self._call or self._open()
                self._events.extend(self._progress.apply(next(call)))
                continue
            except StopIteration:
                pass
            except grpc.RpcError as failed:
                if not isinstance(failed, grpc.Call):
                    raise
                error = error_from_call(failed)
                error.__cause__ = failed
            except InboxError as refused:  # A token could not be had.
                error = refused
            except ValueError:  # The client is closed, or the metadata is invalid.
                self.close()
                raise
            finally:
                self._waits_until = None
            self._go_on(error)
        raise StopIteration

    def _open(self) -> Any:
        metadata = tuple(self._metadata())
        call = self._stub().WatchInboxes(self._progress.begin(), metadata=metadata)
        with self._lock:
            self._call = call
            if self._closed.is_set():
                call.cancel()
        if self._guard is None:
            self._guard = threading.Thread(
                target=_end_silence, args=(weakref.ref(self), self._closed), daemon=True
            )
            self._guard.start()
        return call

    def _go_on(self, error: InboxError | None) -> None:
        """Waits for the time of the next call, or ends the watch."""
        self._call = None
        if self._closed.is_set():
            return
        delay = self._progress.delay(error)
        if error is not None:
            if delay is None:
                self.close()
                raise error from error.__cause__
            self.report(error)
        if not self._closed.wait(delay):
            try:
                self._progress.check_renewal()
            except InboxError:
                self.close()
                raise

    def close(self) -> None:
        """Ends the call. The iterator has no further events."""
        with self._lock:
            self._closed.set()
            if self._call is not None:
                self._call.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


def _end_silence(reference: weakref.ref[Watch], closed: threading.Event) -> None:
    """Cancels a call that has sent nothing for too long, until the watch is closed."""
    while not closed.wait(SILENCE_CHECK_SECONDS):
        watch = reference()
        if watch is None:
            return
        until = watch._waits_until
        if until is not None and time.monotonic() > until:
            with suppress(AttributeError):  # The call has just ended.
                watch._call.cancel()
        del watch


class AsyncWatch:
    """An asynchronous iterator of events: `AsyncInboxClient.watch` makes it.

    `close` ends it, and so does the end of `async with`. A task that is cancelled while it waits
    for an event ends the call; the next event comes by another one. After the client is closed, it
    raises `ValueError`.
    """

    def __init__(
        self,
        request: pb.WatchInboxesRequest,
        current: Callable[[], tuple[grpc.aio.Channel, InboxServiceAsyncStub]],
        metadata: Callable[[], Awaitable[Metadata]],
    ) -> None:
        self._progress = Progress(request)
        self._current = current
        self._metadata = metadata
        # Gets each error after which the watch goes on.
        self.report: Report = _ignore
        self._events: deque[pb.WatchInboxesResponse] = deque()
        self._call: Any = None
        self._channel: grpc.aio.Channel | None = None
        self._closed = asyncio.Event()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> pb.WatchInboxesResponse:
        while not self._closed.is_set():
            if self._events:
                return self._events.popleft()
            error: InboxError | None = None
            try:
                event = await self._read()
                if event is not grpc.aio.EOF:
                    self._events.extend(self._progress.apply(event))
                    continue
            except grpc.aio.AioRpcError as failed:
                error = error_from_call(failed)
                error.__cause__ = failed
            except InboxError as refused:  # A token could not be had, or the call was cancelled.
                error = refused
            except ValueError:  # The client is closed, or the metadata is invalid.
                await self.close()
                raise
            await self._go_on(error)
        raise StopAsyncIteration

    async def _read(self) -> Any:
        """The next event of the call, or its end. It is opened if there is none."""
        if self._call is None:
            metadata = tuple(await self._metadata())
            # The call keeps the channel: one without references closes.
            self._channel, stub = self._current()
            self._call = stub.WatchInboxes(self._progress.begin(), metadata=metadata)
        # A task of its own: the end of this one is no end of the call, and vice versa.
        reading = asyncio.ensure_future(self._call.read())
        try:
            await asyncio.wait({reading}, timeout=self._progress.patience())
        finally:
            if not reading.done():
                self._cancel()
                reading.add_done_callback(lambda it: it.cancelled() or it.exception())
        if not reading.done() or reading.cancelled():
            raise error_from_status(grpc.StatusCode.CANCELLED, "the call was cancelled")
        return reading.result()

    async def _go_on(self, error: InboxError | None) -> None:
        """Waits for the time of the next call, or ends the watch."""
        self._call = self._channel = None
        if self._closed.is_set():
            return
        delay = self._progress.delay(error)
        if error is not None:
            if delay is None:
                self._closed.set()
                raise error from error.__cause__
            self.report(error)
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._closed.wait(), delay)
        if not self._closed.is_set():
            try:
                self._progress.check_renewal()
            except InboxError:
                self._closed.set()
                raise

    def _cancel(self) -> None:
        if self._call is not None:
            self._call.cancel()
        self._call = self._channel = None

    async def close(self) -> None:
        """Ends the call. The iterator has no further events."""
        self._closed.set()
        self._cancel()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
