"""Caches that watches keep, compared with lists while the test changes rows.

Each step is taken by caches for threads and by caches for asyncio.
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from leadchat.inbox.v1 import inbox_pb2
from leadchat.inbox.v1 import inbox_service_pb2 as pb
from leadchat_inbox import (
    AsyncInboxCache,
    AsyncInboxClient,
    Cache,
    InboxCache,
    InboxClient,
    InboxError,
    Reason,
    Tls,
)

OPEN_SECONDS = 30.0
USERS = {"administrator": 1, "agent": 2}

# A read that raises an error.
Read = Callable[[], object]


def run(servers: dict[str, Any]) -> None:
    asyncio.run(take_steps(servers))


def say(line: dict[str, object]) -> None:
    print(json.dumps(line, ensure_ascii=False), flush=True)


async def report(case: str, endpoint: str, *checks: Awaitable[None]) -> None:
    """The line of a case, whose checks run side by side."""
    results = await asyncio.gather(*checks, return_exceptions=True)
    problems = [f"{type(it).__name__}: {it}" for it in results if isinstance(it, BaseException)]
    line: dict[str, object] = {"case": case, "endpoint": endpoint, "ok": not problems}
    if problems:
        line["problem"] = "; ".join(problems)
    say(line)


def request_of(user_id: int) -> pb.WatchInboxesRequest:
    return pb.WatchInboxesRequest(account_id=1, viewer=pb.Viewer(user_id=user_id))


async def take_steps(servers: dict[str, Any]) -> None:
    addresses = servers["replicas"]
    with InboxClient(addresses) as client:
        async with AsyncInboxClient(addresses) as async_client:
            sync = {role: client.open_cache(request_of(user)) for role, user in USERS.items()}
            loop = {role: async_client.open_cache(request_of(user)) for role, user in USERS.items()}
            for cache in sync.values():
                await asyncio.to_thread(cache.wait_synced, OPEN_SECONDS)
            for async_cache in loop.values():
                await async_cache.wait_synced(OPEN_SECONDS)
            say({"ready": True})
            while step := (await asyncio.to_thread(sys.stdin.readline)).strip():
                if step == "compare":
                    since = datetime.now(timezone.utc) + timedelta(seconds=1)
                    for role, user in USERS.items():
                        both: list[Cache] = [sync[role], loop[role]]
                        checks = [compare(async_client, it, user, since) for it in both]
                        await report(f"cache/{role}", "replicas", *checks)
                elif step == "forget":
                    both = [sync["agent"], loop["agent"]]
                    checks = [forgets(it, 20.0, Reason.ACCESS_DENIED) for it in both]
                    others: list[Cache] = [sync["administrator"], loop["administrator"]]
                    await report("cache/forgets", "replicas", *checks, go_on(others))
                elif step == "renew":
                    await renew(servers)
                elif step == "expire":
                    await expire(servers)
                    return
                else:
                    sys.exit(f"unknown step {step}")


async def listed(client: AsyncInboxClient, user: int) -> list[inbox_pb2.Inbox]:
    request = pb.ListInboxesRequest(
        account_id=1, viewer=pb.Viewer(user_id=user), freshness=pb.FRESHNESS_LATEST
    )
    return [inbox async for inbox in client.inboxes(request)]


async def compare(client: AsyncInboxClient, cache: Cache, user: int, since: datetime) -> None:
    """Compares a cache that is new enough with a list, for up to 10 s."""
    end = time.monotonic() + OPEN_SECONDS
    while cache.read_time <= since:
        if time.monotonic() > end:
            raise AssertionError(f"expected the state of {since}, got that of {cache.read_time}")
        await asyncio.sleep(0.05)
    end = time.monotonic() + 10
    while True:
        expected, actual = await listed(client, user), list(cache.list())
        by_id = [cache.get(inbox.id) for inbox in expected]
        if expected == actual and expected == by_id:
            return
        if time.monotonic() > end:
            raise AssertionError(f"expected {names(expected)}, got {names(actual)}")
        await asyncio.sleep(0.1)


def names(inboxes: list[inbox_pb2.Inbox]) -> list[str]:
    """Short, and without secrets."""
    return [f"{inbox.id} {inbox.name} {inbox.etag}" for inbox in inboxes]


async def forgets(cache: Cache, seconds: float, reason: Reason) -> None:
    end = time.monotonic() + seconds
    while cache.error is None:
        if time.monotonic() > end:
            raise AssertionError(f"expected the end of the cache within {seconds} s")
        await asyncio.sleep(0.02)
    reads: list[Read] = [cache.list, lambda: cache.get(1), lambda: cache.age]
    for read in reads:
        try:
            result = read()
        except InboxError as error:
            if error.reason is not reason:
                raise
        else:
            raise AssertionError(f"expected {reason}, got {result}")


async def go_on(caches: list[Cache]) -> None:
    for cache in caches:
        cache.list()


@contextmanager
def opened(arguments: dict[str, Any], request: pb.WatchInboxesRequest) -> Iterator[InboxCache]:
    with InboxClient(**arguments) as client, client.open_cache(request) as cache:
        cache.wait_synced(OPEN_SECONDS)
        yield cache


@asynccontextmanager
async def opened_in_loop(
    arguments: dict[str, Any], request: pb.WatchInboxesRequest
) -> AsyncIterator[AsyncInboxCache]:
    async with AsyncInboxClient(**arguments) as client, client.open_cache(request) as cache:
        await cache.wait_synced(OPEN_SECONDS)
        yield cache


async def with_caches(
    servers: dict[str, Any], caller: str, case: str, check: Callable[[Cache], Awaitable[None]]
) -> None:
    """Checks two caches of the service, by a caller with a token that ends."""
    request = pb.WatchInboxesRequest(
        account_id=1,
        viewer=pb.Viewer(service=pb.ServiceViewer()),
        detail=pb.INBOX_DETAIL_BASIC,
    )
    arguments = {
        "address": servers["tls"]["address"],
        "tls": Tls(ca=servers["tls"]["ca"]),
        "token": Path(servers["callers"][caller]["token"]).read_text,
    }
    with opened(arguments, request) as cache:
        async with opened_in_loop(arguments, request) as async_cache:
            say({"opened": True})
            await report(case, "tls", check(cache), check(async_cache))


async def renew(servers: dict[str, Any]) -> None:
    async def goes_on(cache: Cache) -> None:
        await asyncio.sleep(12)
        if cache.error is not None or cache.age >= 17:
            raise AssertionError(f"expected an age below 17 s, got {cache.age}, {cache.error}")

    await with_caches(servers, "renewed", "cache/renewed", goes_on)


async def expire(servers: dict[str, Any]) -> None:
    async def ends(cache: Cache) -> None:
        await forgets(cache, 30.0, Reason.CREDENTIALS_EXPIRED)

    await with_caches(servers, "expired", "cache/expired", ends)
