"""Caches: when they can be read, what they hold, and how they end."""

import asyncio
import threading
from collections.abc import Callable

import expect
from fake import Context, failure, served
from idioms_watch import (
    Call,
    Code,
    Servers,
    of_calls,
    request,
    stay_open,
    synced,
    upserted,
    wait_until,
)

from leadchat_inbox import AsyncInboxClient, CacheNotReady, InboxClient, InboxError, Reason


def a_cache_is_not_ready_at_first(_: Servers) -> None:
    with InboxClient("127.0.0.1:1") as client, client.open_cache(request()) as cache:
        reads: list[Callable[[], object]] = [
            cache.list,
            lambda: cache.get(1),
            lambda: cache.age,
            lambda: cache.wait_synced(1),
        ]
        for read in reads:
            error = expect.raises(CacheNotReady, read)
        cause = error.__cause__
        expect.that(isinstance(cause, InboxError) and cause.code is Code.UNAVAILABLE, "the cause")
        expect.equal(cache.error, None)

    async def run() -> None:
        async with AsyncInboxClient("127.0.0.1:1") as client, client.open_cache(request()) as cache:
            await cache.wait_synced(0.2)

    expect.raises(CacheNotReady, lambda: asyncio.run(run()))


def a_cache_has_the_order_of_lists(_: Servers) -> None:
    # By code points of the lower case, then by id.
    ordered = ["", "a", "A", "aς", "aΣ", "aσa", "b", "i", "İ", "ß", "ŸZ", "ﬁ", "𝒜"]
    sent = [upserted(i + 1, name=ordered[i]) for i in sorted(range(13), key=lambda it: it * 5 % 13)]
    with served() as fake:
        of_calls(fake, ([*sent, synced()], stay_open))
        with InboxClient(fake.address) as client, client.open_cache(request()) as cache:
            cache.wait_synced(10)
            expect.equal([inbox.name for inbox in cache.list()], ordered)
            expect.that(cache.age < 20, "a small age")
            expect.equal(cache.get(99), None)


def a_cache_outlives_an_outage_and_forgets(_: Servers) -> None:
    away: Call = ([], failure(Code.UNAVAILABLE, "STORE_UNAVAILABLE"))
    leave = threading.Event()

    def deny(context: Context) -> None:
        leave.wait(20)
        failure(Code.PERMISSION_DENIED, "ACCESS_DENIED")(context)

    with served() as fake:
        of_calls(
            fake,
            ([upserted(1), synced()], failure(Code.UNAVAILABLE)),
            *[away] * 3,
            ([upserted(2), synced()], deny),
        )
        with InboxClient(fake.address) as client, client.open_cache(request()) as cache:
            cache.wait_synced(10)
            wait_until("the second inbox", lambda: len(cache.list()) == 2)
            leave.set()
            wait_until("the end", lambda: cache.error is not None)
            for _attempt in range(2):
                error = expect.raises(InboxError, cache.list)
                assert isinstance(error, InboxError)
                expect.equal(error.reason, Reason.ACCESS_DENIED)
                expect.raises(InboxError, lambda: cache.get(1))


CHECKS = [
    a_cache_is_not_ready_at_first,
    a_cache_has_the_order_of_lists,
    a_cache_outlives_an_outage_and_forgets,
]
