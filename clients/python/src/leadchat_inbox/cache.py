"""Caches of the inboxes that a viewer may see, kept by watches."""

from __future__ import annotations

import asyncio
import copy
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timezone
from typing import NamedTuple

from typing_extensions import Self

from leadchat.inbox.v1 import inbox_pb2
from leadchat.inbox.v1 import inbox_service_pb2 as pb
from leadchat_inbox.errors import InboxError
from leadchat_inbox.watch import AsyncWatch, Watch


class CacheNotReady(Exception):
    """A cache is not complete yet. `__cause__` is the last error of a call, if there was one."""


class _Entry(NamedTuple):
    # The name in lower case, as the service orders by it.
    folded: str
    inbox_id: int
    inbox: inbox_pb2.Inbox


class Cache:
    """The reads of `InboxCache` and `AsyncInboxCache`. None of them waits.

    They raise `CacheNotReady` before the cache is complete for the first time. After the watch has
    ended, they raise its error: an `InboxError`, or `ValueError` for what is closed. The messages
    are shared, so do not change them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[int, _Entry] = {}
        self._is_ready = False
        self._read_time: datetime | None = None
        self._error: Exception | None = None
        self._failure: InboxError | None = None

    def get(self, inbox_id: int) -> inbox_pb2.Inbox | None:
        """An inbox, or None if there is none that the viewer may see."""
        with self._lock:
            self._check()
            entry = self._held.get(inbox_id)
        return None if entry is None else entry.inbox

    def list(self) -> Sequence[inbox_pb2.Inbox]:
        """All inboxes, in the order of `ListInboxes`."""
        with self._lock:
            self._check()
            entries = [*self._held.values()]
        # No two entries have one id, so no messages are compared.
        return [entry.inbox for entry in sorted(entries)]

    @property
    def read_time(self) -> datetime:
        """The time of the last `synced` or heartbeat, in UTC, by the clock of the service.

        Raises what a read raises, also after the end.
        """
        with self._lock:
            self._check()
            assert self._read_time is not None
            return self._read_time

    @property
    def age(self) -> float:
        """Seconds since `read_time`, by the clock of this machine.

        While the watch works, they are below about 15 and the time between two reads of the account
        by the service. Raises what a read raises, also after the end.
        """
        return max(0.0, time.time() - self.read_time.timestamp())

    @property
    def error(self) -> Exception | None:
        """The reason why the cache has ended. None until then."""
        return self._error

    def _check(self) -> None:
        if self._error is not None:
            # Each raise of an exception adds to its traceback.
            raise copy.copy(self._error) from self._error.__cause__
        if not self._is_ready:
            raise CacheNotReady("the cache is not synced yet") from self._failure

    def _note(self, failure: InboxError) -> None:
        self._failure = failure

    def _apply(self, event: pb.WatchInboxesResponse) -> bool:
        """Takes an event. Whether the cache is complete for the first time."""
        kind = event.WhichOneof("event")
        with self._lock:
            if self._error is not None:
                return False
            if kind == "upserted":
                inbox = event.upserted
                self._held[inbox.id] = _Entry(inbox.name.lower(), inbox.id, inbox)
            elif kind == "removed":
                self._held.pop(event.removed.inbox_id, None)
            elif kind == "synced" or kind == "heartbeat":
                of = event.synced if kind == "synced" else event.heartbeat
                self._read_time = of.read_time.ToDatetime(timezone.utc)
            is_first = kind == "synced" and not self._is_ready
            self._is_ready = self._is_ready or is_first
        return is_first

    def _end(self, error: Exception) -> None:
        """Forgets everything, for the first reason."""
        with self._lock:
            if self._error is None:
                self._error = error
            self._held = {}


class InboxCache(Cache):
    """A cache for threads, kept by a thread of its own: `InboxClient.open_cache` makes it.

    During an outage it keeps what it holds, and `age` grows. So it may hold what the viewer may not
    see any more: compare `age` with a limit of your own. When its watch ends for good, for example
    because the viewer has left the account, it forgets everything.
    """

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._ready = threading.Event()
        self._watch = watch
        watch.report = self._note
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            for event in self._watch:
                if self._apply(event):
                    self._ready.set()
        except Exception as error:
            self._end(error)
        finally:
            self._ready.set()

    def wait_synced(self, timeout: float) -> None:
        """Waits until the cache is complete for the first time, for so many seconds.

        Raises what a read would raise: `CacheNotReady` after that time.
        """
        self._ready.wait(timeout)
        with self._lock:
            self._check()

    def close(self) -> None:
        """Ends the watch, and forgets everything. Returns when the watch has ended."""
        self._end(ValueError("the cache is closed"))
        self._watch.close()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncInboxCache(Cache):
    """A cache for asyncio, kept by a task: `AsyncInboxClient.open_cache` makes it.

    As `InboxCache`; `wait_synced` and `close` are coroutines.
    """

    def __init__(self, watch: AsyncWatch) -> None:
        super().__init__()
        self._ready = asyncio.Event()
        self._watch = watch
        watch.report = self._note
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        try:
            async for event in self._watch:
                if self._apply(event):
                    self._ready.set()
        except Exception as error:
            self._end(error)
        except asyncio.CancelledError:
            self._end(ValueError("the cache is closed"))
            raise
        finally:
            self._ready.set()

    async def wait_synced(self, timeout: float) -> None:
        """Waits until the cache is complete for the first time, for so many seconds.

        Raises what a read would raise: `CacheNotReady` after that time.
        """
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._ready.wait(), timeout)
        with self._lock:
            self._check()

    async def close(self) -> None:
        """Ends the watch, and forgets everything. Returns when the watch has ended."""
        self._end(ValueError("the cache is closed"))
        await self._watch.close()
        await asyncio.wait({self._task})

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
