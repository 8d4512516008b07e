"""Calls: pages, deadlines, retries, cancellation, replicas, sizes."""

import asyncio
import os
import threading
import time
from typing import Any

import expect
import grpc
from fake import failure, served

from leadchat.inbox.v1 import channel_pb2
from leadchat.inbox.v1 import inbox_service_pb2 as pb
from leadchat_inbox import AsyncInboxClient, InboxClient, InboxError

Servers = dict[str, Any]


def pages_are_lazy(_: Servers) -> None:
    request = pb.ListInboxesRequest(account_id=1, viewer=pb.Viewer(user_id=1), page_size=2)

    def first_three(client: InboxClient) -> list[int]:
        inboxes = client.inboxes(request)
        return [next(inboxes).id for _ in range(3)]

    async def first_three_async(client: AsyncInboxClient) -> list[int]:
        ids = []
        async for inbox in client.inboxes(request):
            ids.append(inbox.id)
            if len(ids) == 3:
                break
        return ids

    with served() as fake:
        results = expect.both({"address": fake.address}, first_three, first_three_async)
        expect.equal(results, [[1, 2, 3]] * 2)
        expect.equal(len(fake.headers), 4)
        expect.equal(request.page_token, "")
        with InboxClient(fake.address) as client:
            expect.equal([it.id for it in client.inboxes(request)], [1, 2, 3, 4, 5, 6, 7])


def pages_are_an_iterator(_: Servers) -> None:
    request = pb.ListInboxesRequest(account_id=1, viewer=pb.Viewer(user_id=1), page_size=3)

    def sizes(client: InboxClient) -> list[int]:
        return [len(page.inboxes) for page in client.pages(request)]

    async def sizes_async(client: AsyncInboxClient) -> list[int]:
        return [len(page.inboxes) async for page in client.pages(request)]

    with served() as fake:
        expect.equal(expect.both({"address": fake.address}, sizes, sizes_async), [[3, 3, 1]] * 2)
        with InboxClient(fake.address) as client:
            next(client.pages(request))
        expect.equal(len(fake.headers), 7)


def default_deadline(_: Servers) -> None:
    with served() as fake:
        expect.both_get({"address": fake.address}, expect.request())
        expect.both_get({"address": fake.address}, expect.request(), timeout=2.0)
        expect.both_get({"address": fake.address, "timeout": 9.0}, expect.request())
        expect.equal([round(seconds) for seconds in fake.seconds_left], [5, 5, 2, 2, 9, 9])


def unavailable_is_retried(_: Servers) -> None:
    with served() as fake:
        fake.behaviours = [failure(grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN")] * 2
        began = time.monotonic()
        with InboxClient(fake.address) as client:
            expect.equal(client.get(expect.request()).inbox.id, 3)
        expect.equal(len(fake.headers), 3)
        expect.that(time.monotonic() - began > 1.5, "a delay between the attempts")


def proxies_of_the_environment_are_not_used(servers: Servers) -> None:
    before = os.environ.pop("no_proxy", None)
    os.environ["http_proxy"] = "http://127.0.0.1:9"
    try:
        with InboxClient(servers["plain"]["address"]) as client:
            expect.equal(client.get(expect.request()).inbox.id, 3)
    finally:
        del os.environ["http_proxy"]
        if before is not None:
            os.environ["no_proxy"] = before


def exhausted_is_not_retried(_: Servers) -> None:
    with served() as fake:
        fake.behaviours = [failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "REQUEST_TOO_LARGE")] * 2
        results = expect.both_get({"address": fake.address}, expect.request())
        expect.that(all(isinstance(it, InboxError) for it in results), "errors")
        expect.equal(len(fake.headers), 2)


def a_cancelled_task_cancels_its_call(_: Servers) -> None:
    async def run(address: str) -> None:
        async with AsyncInboxClient(address) as client:
            task = asyncio.create_task(client.get(expect.request()))
            await asyncio.sleep(0.3)
            task.cancel()
            try:
                await task
            except asyncio.CancelledError:
                return
            raise AssertionError("expected CancelledError")

    with served() as fake:
        fake.behaviours = [fake.wait]
        asyncio.run(run(fake.address))
        expect.that(fake.cancelled.wait(3), "the server to learn of it")


def replicas_are_round_robin(_: Servers) -> None:
    with served() as one, served() as other:
        addresses = [one.address, other.address]
        with InboxClient(addresses) as client:
            # The first call may come before the second connection is there.
            for _call in range(20):
                client.get(expect.request())
            expect.that(abs(len(one.headers) - len(other.headers)) <= 4, "calls to both replicas")


def large_responses(_: Servers) -> None:
    with served() as fake:
        for error in expect.both_get({"address": fake.address}, expect.request(99)):
            assert isinstance(error, InboxError)
            expect.equal((error.code, error.reason), (grpc.StatusCode.RESOURCE_EXHAUSTED, None))
        arguments = {"address": fake.address, "max_response_bytes": 8 << 20}
        for response in expect.both_get(arguments, expect.request(99)):
            assert isinstance(response, pb.GetInboxResponse)
            expect.equal(len(response.inbox.name), 5 << 20)


def headers_of_request_and_response(servers: Servers) -> None:
    seen: list[object] = []
    expect.both_get(
        {"address": servers["plain"]["address"]},
        expect.request(),
        metadata=[("x-request-id", "idioms-2")],
        on_headers=lambda headers: seen.append(headers["x-request-id"]),
    )
    expect.equal(seen, ["idioms-2"] * 2)
    with InboxClient(servers["plain"]["address"]) as client:
        for header in (("x-note", "a\nb"), ("X-Note", "a")):
            expect.raises(ValueError, lambda: client.get(expect.request(), metadata=[header]))


def oneof_in_match(servers: Servers) -> None:
    with InboxClient(servers["plain"]["address"]) as client:
        inbox = client.get(expect.request(3)).inbox
    match inbox.WhichOneof("channel"):
        case "email":
            expect.equal(inbox.email.email, "hello@paperlantern.example")
        case other:
            raise AssertionError(f"expected email, got {other}")
    expect.equal(inbox.channel_kind, channel_pb2.CHANNEL_KIND_EMAIL)
    expect.that(inbox.HasField("timezone"), "a field that is there")
    expect.that(not inbox.HasField("callback_webhook_url"), "a field that is absent")


def stub_is_reachable(servers: Servers) -> None:
    with InboxClient(servers["unix"]["address"]) as client:
        expect.equal(client.stub.GetInbox(expect.request(), timeout=5).inbox.id, 3)

    async def run() -> int:
        async with AsyncInboxClient(servers["unix"]["address"]) as client:
            return (await client.stub.GetInbox(expect.request(), timeout=5)).inbox.id

    expect.equal(asyncio.run(run()), 3)


def a_closed_client_refuses_calls(servers: Servers) -> None:
    with InboxClient(servers["plain"]["address"]) as client:
        client.get(expect.request())
    expect.raises(ValueError, lambda: client.get(expect.request()))

    async def run() -> None:
        async with AsyncInboxClient(servers["plain"]["address"]) as client:
            await client.get(expect.request())
        await client.get(expect.request())

    expect.raises(ValueError, lambda: asyncio.run(run()))


def close_cancels_calls_in_flight(_: Servers) -> None:
    def code(client: InboxClient) -> grpc.StatusCode:
        threading.Timer(0.3, client.close).start()
        error = expect.raises(InboxError, lambda: client.get(expect.request()))
        assert isinstance(error, InboxError)
        return error.code

    with served() as fake, InboxClient(fake.address) as client:
        fake.behaviours = [fake.wait]
        expect.equal(code(client), grpc.StatusCode.CANCELLED)
        expect.that(fake.cancelled.wait(3), "the server to learn of it")


CHECKS = [
    pages_are_lazy,
    pages_are_an_iterator,
    default_deadline,
    unavailable_is_retried,
    proxies_of_the_environment_are_not_used,
    exhausted_is_not_retried,
    a_cancelled_task_cancels_its_call,
    replicas_are_round_robin,
    large_responses,
    headers_of_request_and_response,
    oneof_in_match,
    stub_is_reachable,
    a_closed_client_refuses_calls,
    close_cancels_calls_in_flight,
]
