"""Assertions with texts that say what was expected."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from leadchat.inbox.v1 import inbox_service_pb2 as pb
from leadchat_inbox import AsyncInboxClient, InboxClient, InboxError

Result = TypeVar("Result")


def equal(actual: object, expected: object) -> None:
    if actual != expected:
        raise AssertionError(f"expected {expected!r}, got {actual!r}")


def that(condition: object, expectation: str) -> None:
    if not condition:
        raise AssertionError(f"expected {expectation}")


def raises(kind: type[Exception], act: Callable[[], object]) -> Exception:
    try:
        result = act()
    except kind as error:
        return error
    raise AssertionError(f"expected {kind.__name__}, got {result!r}")


def request(inbox_id: int = 3, user_id: int = 1) -> pb.GetInboxRequest:
    """The question for one inbox of the demo."""
    return pb.GetInboxRequest(account_id=1, inbox_id=inbox_id, viewer=pb.Viewer(user_id=user_id))


def both(
    arguments: dict[str, Any],
    act: Callable[[InboxClient], Result],
    act_async: Callable[[AsyncInboxClient], Awaitable[Result]],
) -> list[Result | InboxError]:
    """The results of the client for threads, and of that for asyncio."""

    def run() -> Result | InboxError:
        with InboxClient(**arguments) as client:
            try:
                return act(client)
            except InboxError as error:
                return error

    async def run_async() -> Result | InboxError:
        async with AsyncInboxClient(**arguments) as client:
            try:
                return await act_async(client)
            except InboxError as error:
                return error

    return [run(), asyncio.run(run_async())]


def both_get(
    arguments: dict[str, Any], message: pb.GetInboxRequest, **options: Any
) -> list[pb.GetInboxResponse | InboxError]:
    return both(
        arguments,
        lambda client: client.get(message, **options),
        lambda client: client.get(message, **options),
    )
