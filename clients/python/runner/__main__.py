"""The conformance runner: cases, replicas, watch, idioms or old, and the servers file."""

import asyncio
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import cases
import idioms
import watch

from leadchat.inbox.v1 import inbox_service_pb2 as pb
from leadchat_inbox import AsyncInboxClient, InboxClient, InboxError

SECONDS = 4.0
CALLS_UNTIL_READY = 20


def replicas(servers: dict[str, Any]) -> None:
    """Two threads and two tasks call the replicas, until some seconds after the first calls."""
    request = pb.GetInboxRequest(account_id=1, inbox_id=1, viewer=pb.Viewer(user_id=1))
    lock = threading.Lock()
    calls = 0
    end: float | None = None
    problems: list[str] = []

    def count(problem: str | None) -> None:
        nonlocal calls, end
        with lock:
            calls += 1
            if problem is not None:
                problems.append(problem)
            if calls == CALLS_UNTIL_READY:
                end = time.monotonic() + SECONDS
                print(json.dumps({"ready": True}), flush=True)

    def goes_on() -> bool:
        return end is None or time.monotonic() < end

    def loop(client: InboxClient) -> None:
        while goes_on():
            try:
                client.get(request, timeout=5.0)
            except InboxError as error:
                count(str(error))
            else:
                count(None)

    async def task(client: AsyncInboxClient) -> None:
        while goes_on():
            try:
                await client.get(request, timeout=5.0)
            except InboxError as error:
                count(str(error))
            else:
                count(None)

    async def run() -> None:
        with InboxClient(servers["replicas"]) as client:
            async with AsyncInboxClient(servers["replicas"]) as async_client:
                await asyncio.gather(
                    *(asyncio.to_thread(loop, client) for _ in range(2)),
                    *(task(async_client) for _ in range(2)),
                )

    asyncio.run(run())
    print(json.dumps({"calls": calls, "failed": len(problems), "problems": problems[:5]}))


def old(servers: dict[str, Any]) -> None:
    """The inboxes of account 1, as a client of an older contract decodes them."""
    request = pb.ListInboxesRequest(account_id=1, viewer=pb.Viewer(user_id=1))
    with InboxClient(servers["plain"]["address"]) as client:
        for inbox in client.inboxes(request):
            line = {
                "id": inbox.id,
                "channel_type": inbox.channel_type,
                "channel_kind": inbox.channel_kind,
                "channel": inbox.WhichOneof("channel"),
                "name": inbox.name,
            }
            print(json.dumps(line, ensure_ascii=False))


def main() -> None:
    mode, servers_file = sys.argv[1:]
    servers = json.loads(Path(servers_file).read_text("utf-8"))
    if mode == "cases":
        document = json.loads(Path(os.environ["CASES"]).read_text("utf-8"))
        asyncio.run(cases.run(document["cases"], servers))
    elif mode == "replicas":
        replicas(servers)
    elif mode == "watch":
        watch.run(servers)
    elif mode == "idioms":
        idioms.run(servers)
    elif mode == "old":
        old(servers)
    else:
        sys.exit(f"unknown mode {mode}: cases, replicas, watch, idioms or old")


if __name__ == "__main__":
    main()
