"""Watches: how they end, and how they go on."""

import asyncio
import gc
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import expect
import grpc
from fake import Context, Fake, failure, served

import leadchat_inbox.watch
from leadchat.inbox.v1 import inbox_pb2
from leadchat.inbox.v1 import inbox_service_pb2 as pb
from leadchat_inbox import AsyncInboxClient, InboxClient, InboxError

Servers = dict[str, Any]
Code = grpc.StatusCode
Events = list[pb.WatchInboxesResponse]
# The events of a call, and its end.
Call = tuple[Events, Callable[[Context], None]]


def request(user_id: int = 1, account_id: int = 1) -> pb.WatchInboxesRequest:
    return pb.WatchInboxesRequest(
        account_id=account_id, viewer=pb.Viewer(user_id=user_id), detail=pb.INBOX_DETAIL_BASIC
    )


def summary(event: pb.WatchInboxesResponse) -> str:
    """An event in short: +3, -3, synced, heartbeat."""
    kind = event.WhichOneof("event")
    if kind == "upserted":
        return f"+{event.upserted.id}"
    return f"-{event.removed.inbox_id}" if kind == "removed" else str(kind)


def events(client: InboxClient, message: pb.WatchInboxesRequest, synced: int = 1) -> list[str]:
    """The events in short, until so many `synced`, or the error."""
    seen: list[str] = []
    with client.watch(message) as watch:
        try:
            for event in watch:
                seen.append(summary(event))
                if seen.count("synced") == synced:
                    break
        except InboxError as error:
            seen.append(error.reason.value if error.reason else error.code.name)
    return seen


async def events_async(
    client: AsyncInboxClient, message: pb.WatchInboxesRequest, synced: int = 1
) -> list[str]:
    seen: list[str] = []
    async with client.watch(message) as watch:
        try:
            async for event in watch:
                seen.append(summary(event))
                if seen.count("synced") == synced:
                    break
        except InboxError as error:
            seen.append(error.reason.value if error.reason else error.code.name)
    return seen


def both_watch(
    address: str, message: pb.WatchInboxesRequest, synced: int = 1
) -> list[list[str] | InboxError]:
    return expect.both(
        {"address": address},
        lambda client: events(client, message, synced),
        lambda client: events_async(client, message, synced),
    )


def upserted(inbox_id: int, etag: str = "a", name: str = "") -> pb.WatchInboxesResponse:
    return pb.WatchInboxesResponse(upserted=inbox_pb2.Inbox(id=inbox_id, etag=etag, name=name))


def synced() -> pb.WatchInboxesResponse:
    event = pb.WatchInboxesResponse(synced=pb.Synced())
    event.synced.read_time.GetCurrentTime()
    return event


def of_calls(fake: Fake, *calls: Call) -> None:
    """Sets the events and the end of each watch; the last ones hold for all that follow."""
    fake.watches = []
    fake.began = []

    def watch(message: pb.WatchInboxesRequest, context: Context) -> Iterator[Any]:
        number = len(fake.watches)
        fake.watches.append(message)
        fake.began.append(time.monotonic())
        sent, end = calls[min(number, len(calls) - 1)]
        yield from sent
        end(context)

    fake.watch = watch


def stay_open(context: Context) -> None:
    ended = threading.Event()
    context.add_callback(ended.set)
    ended.wait(60)


def expired(credential: str) -> Callable[[Context], None]:
    return failure(Code.UNAUTHENTICATED, "CREDENTIALS_EXPIRED", credential=credential)


def end_well(_: Context) -> None:
    """The end without an error."""


def two_at_once_as_rights_are(servers: Servers) -> None:
    address = servers["plain"]["address"]
    with InboxClient(address) as client, client.watch(request(1)) as first:
        next(first)
        expect.equal(events(client, request(2)), ["+1", "+3", "+7", "synced"])
        next(first)
    expect.equal(both_watch(address, request(3)), [["synced"]] * 2)
    expect.equal(both_watch(address, request(1, 2)), [["ACCESS_DENIED"]] * 2)


def known_is_honoured(servers: Servers) -> None:
    message = request(2)
    with InboxClient(servers["plain"]["address"]) as client, client.watch(request(2)) as watch:
        for event in watch:
            if event.HasField("synced"):
                break
            message.known.add(inbox_id=event.upserted.id, etag=event.upserted.etag)
    message.known[0].etag = "another"
    message.known.add(inbox_id=2)
    before = len(message.known)
    expected = ["-2", "+1", "synced"]
    expect.equal(both_watch(servers["plain"]["address"], message), [expected] * 2)
    expect.equal(len(message.known), before)


def it_goes_on(_: Servers) -> None:
    first = [upserted(1), upserted(2), synced()]
    ends = [
        failure(Code.UNAVAILABLE, "STORE_UNAVAILABLE"),
        failure(Code.UNAVAILABLE, "RECONNECT"),
        failure(Code.UNAVAILABLE, "SHUTTING_DOWN"),
        failure(Code.RESOURCE_EXHAUSTED, "TOO_MANY_WATCHES"),
        failure(Code.INTERNAL),
        failure(Code.UNKNOWN),
        failure(Code.CANCELLED),
        failure(Code.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED"),
        end_well,
    ]
    calls = [(first, ends[0]), *(([synced()], end) for end in ends[1:])]
    last: Call = ([], failure(Code.INTERNAL, "INTERNAL"))
    expected = ["+1", "+2", *["synced"] * len(ends), "INTERNAL"]
    with served() as fake:
        for watch in KINDS:
            of_calls(fake, *calls, last)
            began = time.monotonic()
            expect.equal(watch(fake.address, request(), 99), expected)
            # gRPC itself would wait for a second.
            expect.that(time.monotonic() - began < 5, "short delays")
            expect.equal([len(it.known) for it in fake.watches], [0, *[2] * len(ends)])


def watch_in_thread(address: str, message: pb.WatchInboxesRequest, synced: int) -> list[str]:
    with InboxClient(address) as client:
        return events(client, message, synced)


def watch_in_loop(address: str, message: pb.WatchInboxesRequest, synced: int) -> list[str]:
    async def run() -> list[str]:
        async with AsyncInboxClient(address) as client:
            return await events_async(client, message, synced)

    return asyncio.run(run())


KINDS = (watch_in_thread, watch_in_loop)


def beyond_5000_it_begins_anew(_: Servers) -> None:
    first = [*(upserted(inbox_id) for inbox_id in range(1, 5002)), synced()]
    again = [*(upserted(it, "b" if it == 9 else "a") for it in range(1, 5002) if it != 8), synced()]
    with served() as fake:
        for watch in KINDS:
            of_calls(fake, (first, failure(Code.UNAVAILABLE, "RECONNECT")), (again, stay_open))
            expect.equal(watch(fake.address, request(), 2)[5002:], ["+9", "-8", "synced"])
            expect.equal([len(it.known) for it in fake.watches], [0, 0])


def it_names_none_if_that_is_too_large(_: Servers) -> None:
    too_large = failure(Code.RESOURCE_EXHAUSTED, "REQUEST_TOO_LARGE")
    message = request()
    message.known.add(inbox_id=1, etag="a")
    message.known.add(inbox_id=2, etag="a")
    with served() as fake:
        for watch in KINDS:
            of_calls(fake, ([], too_large), ([upserted(1), synced()], too_large))
            expected = ["-2", "synced", "REQUEST_TOO_LARGE"]
            expect.equal(watch(fake.address, message, 9), expected)
            expect.equal([len(it.known) for it in fake.watches], [2, 0])


def it_goes_on_at_once_one_time(_: Servers) -> None:
    reconnect = failure(Code.UNAVAILABLE, "RECONNECT", retry_seconds=1)
    shutting_down = failure(Code.UNAVAILABLE, "SHUTTING_DOWN", retry_seconds=1)
    with served() as fake:
        for watch in KINDS:
            of_calls(fake, ([], reconnect), ([], shutting_down), ([synced()], stay_open))
            expect.equal(watch(fake.address, request(), 1), ["synced"])
            first, second, third = fake.began
            expect.that(second - first < 0.95, "another call at once")
            expect.that(third - second > 0.95, "a delay at the second end")


def expired_credentials_are_renewed_once(_: Servers) -> None:
    ends = expired("authorization")
    with served() as fake:
        for watch in KINDS:
            of_calls(fake, ([], ends), ([synced()], ends), ([], ends))
            expect.equal(watch(fake.address, request(), 9), ["synced", "CREDENTIALS_EXPIRED"])
            expect.equal(len(fake.watches), 3)


def it_waits_for_a_new_certificate(_: Servers) -> None:
    # The connections of other replicas may have the old one, too.
    ends = expired("certificate")
    with served() as fake:
        for watch in KINDS:
            of_calls(fake, ([], ends), ([], ends), ([synced()], stay_open))
            began = time.monotonic()
            expect.equal(watch(fake.address, request(), 1), ["synced"])
            expect.that(time.monotonic() - began > 4, "2 s after each refusal")


def it_does_not_wait_long_for_new_credentials(_: Servers) -> None:
    away: Call = ([], failure(Code.UNAVAILABLE))
    silent: Call = ([upserted(1)], stay_open)
    with served() as fake, shorter_renewals():
        for last in (away, silent):
            for watch in KINDS:
                of_calls(fake, ([synced()], expired("authorization")), away, last)
                began = time.monotonic()
                seen = watch(fake.address, request(), 9)
                expect.equal([it for it in seen if it != "+1"], ["synced", "CREDENTIALS_EXPIRED"])
                expect.that(2 <= time.monotonic() - began < 5, "the end after 2 s")


@contextmanager
def shorter_renewals() -> Iterator[None]:
    seconds = leadchat_inbox.watch.RENEWAL_SECONDS
    leadchat_inbox.watch.RENEWAL_SECONDS = 2.0
    try:
        yield
    finally:
        leadchat_inbox.watch.RENEWAL_SECONDS = seconds


def tokens_are_read_for_each_call(_: Servers) -> None:
    tokens = iter("abcd")
    with served() as fake:
        of_calls(fake, ([synced()], failure(Code.UNAVAILABLE)), ([synced()], stay_open))
        with InboxClient(fake.address, token=lambda: next(tokens)) as client:
            with client.watch(request(), viewer_token=lambda: next(tokens)) as watch:
                next(watch)
                next(watch)
        seen = [[it["viewer-authorization"], it["authorization"]] for it in fake.headers]
        expect.equal(seen, [["Bearer a", "Bearer b"], ["Bearer c", "Bearer d"]])


def there_is_no_deadline(_: Servers) -> None:
    def later(context: Context) -> None:
        time.sleep(0.5)

    with served() as fake:
        of_calls(fake, ([synced()], later), ([synced()], stay_open))
        with InboxClient(fake.address, timeout=0.1) as client, client.watch(request()) as watch:
            next(watch)
            next(watch)
        expect.that(all(left is None or left > 3600 for left in fake.seconds_left), "no deadline")
        expect.equal(len(fake.watches), 2)


def wait_until(what: str, is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not is_so():
        expect.that(time.monotonic() < end, what)
        time.sleep(0.02)


def closing_leaves_nothing_behind(servers: Servers) -> None:
    with InboxClient(servers["plain"]["address"]) as client:
        client.get(expect.request())
        before = threading.active_count()
        watches = [client.watch(request()) for _ in range(3)]
        for watch in watches:
            next(watch)
        # In another thread, while this one waits; at the end of a loop; and without a reference.
        threading.Timer(0.3, watches[0].close).start()
        began = time.monotonic()
        expect.equal(len(list(watches[0])), 13)
        expect.that(time.monotonic() - began < 5, "a prompt end")
        watches[1].close()
        expect.equal(list(watches[1]), [])
        del watch, watches
        gc.collect()
        cache = client.open_cache(request())
        cache.wait_synced(10)
        cache.close()
        wait_until("no further threads", lambda: threading.active_count() <= before)
        expect.raises(ValueError, cache.list)
        expect.equal(str(cache.error), "the cache is closed")


def closing_leaves_no_task_behind(servers: Servers) -> None:
    async def run() -> None:
        async with AsyncInboxClient(servers["plain"]["address"]) as client:
            await client.get(expect.request())
            before = len(asyncio.all_tasks())
            watch = client.watch(request())
            waiting = asyncio.create_task(collect(watch))
            await asyncio.sleep(0.3)
            await watch.close()
            expect.equal(len(await waiting), 14)
            # A task that is cancelled ends its call, and another one may go on.
            watch = client.watch(request())
            waiting = asyncio.create_task(collect(watch))
            await asyncio.sleep(0.3)
            waiting.cancel()
            await asyncio.wait({waiting})
            expect.that(waiting.cancelled(), "the cancellation")
            expect.equal(summary(await anext(watch)), "synced")
            await watch.close()
            cache = client.open_cache(request())
            await cache.wait_synced(10)
            await cache.close()
            expect.raises(ValueError, cache.list)
            for _ in range(100):
                if len(asyncio.all_tasks()) <= before:
                    return
                await asyncio.sleep(0.05)
            raise AssertionError(f"expected no further tasks, got {asyncio.all_tasks()}")

    asyncio.run(run())


async def collect(watch: Any) -> list[str]:
    return [summary(event) async for event in watch]


def a_closed_client_ends_watches(servers: Servers) -> None:
    def run(client: InboxClient) -> None:
        watch = client.watch(request())
        next(watch)
        threading.Timer(0.3, client.close).start()
        expect.raises(ValueError, lambda: list(watch))

    async def run_async(client: AsyncInboxClient) -> None:
        watch = client.watch(request())
        cache = client.open_cache(request())
        await anext(watch)
        await client.close()
        try:
            await collect(watch)
        except ValueError:
            for _ in range(500):
                if cache.error is not None:
                    cache.list()
                await asyncio.sleep(0.01)
        raise AssertionError("expected ValueError")

    address = {"address": servers["plain"]["address"]}
    expect.raises(ValueError, lambda: expect.both(address, run, run_async))


CHECKS = [
    two_at_once_as_rights_are,
    known_is_honoured,
    it_goes_on,
    beyond_5000_it_begins_anew,
    it_names_none_if_that_is_too_large,
    it_goes_on_at_once_one_time,
    expired_credentials_are_renewed_once,
    it_waits_for_a_new_certificate,
    it_does_not_wait_long_for_new_credentials,
    tokens_are_read_for_each_call,
    there_is_no_deadline,
    closing_leaves_nothing_behind,
    closing_leaves_no_task_behind,
    a_closed_client_ends_watches,
]
