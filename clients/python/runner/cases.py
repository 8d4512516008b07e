"""The cases of clients/conformance.json, each with the clients for threads and for asyncio."""

import asyncio
import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from google.protobuf import json_format, symbol_database
from google.protobuf.message import Message

from leadchat.inbox.v1 import inbox_service_pb2 as pb
from leadchat_inbox import (
    AsyncInboxClient,
    CallOptions,
    InboxClient,
    InboxError,
    Reason,
    Tls,
    error_from_status,
)

Json = Any
ANY_TEXT = "…"
METHODS = {
    "GetInbox": "get",
    "ListInboxes": "list",
    "BatchGetInboxes": "batch",
    "FindInboxes": "find",
    "ExplainAccess": "explain",
    "WatchInboxes": "watch",
}


class Outcome(NamedTuple):
    """The result of a case: a response, the ids of all pages, the events, or an error."""

    response: Message | None = None
    ids: list[str] | None = None
    events: list[Json] | None = None
    error: InboxError | None = None
    headers: dict[str, str | bytes] = {}


async def run(cases: list[Json], servers: Json) -> None:
    for case in cases:
        for endpoint in endpoints_of(case):
            try:
                problem = await problem_of(case, endpoint, servers)
            except Exception as error:
                problem = f"{type(error).__name__}: {error}"
            line = {"case": case["name"], "endpoint": endpoint, "ok": problem is None}
            if problem is not None:
                line["problem"] = problem
            print(json.dumps(line, ensure_ascii=False), flush=True)


def endpoints_of(case: Json) -> list[str]:
    if "message" in case or "status" in case:
        return ["-"]
    return ["tls"] if "caller" in case else ["plain", "unix"]


async def problem_of(case: Json, endpoint: str, servers: Json) -> str | None:
    if "message" in case:
        message = message_class(case["message"]).FromString(base64.b64decode(case["bytes"]))
        return problem_with(case, Outcome(response=message))
    if "status" in case:
        status = case["status"]
        details = base64.b64decode(status.get("details", ""))
        error = error_from_status(status["code"], status.get("message", ""), details)
        return problem_with(case, Outcome(error=error))
    for name, ask in (("sync", ask_in_thread), ("async", ask_in_loop)):
        problem = problem_with(case, await ask(case, endpoint, servers))
        if problem is not None:
            return f"{name}: {problem}"
    return None


def message_class(name: str) -> type[Message]:
    # The module is imported by the client, so its messages are known.
    found: type[Message] = symbol_database.Default().GetSymbol(f"leadchat.inbox.v1.{name}")
    return found


def client_arguments(case: Json, endpoint: str, servers: Json) -> dict[str, Any]:
    arguments: dict[str, Any] = {"address": servers[endpoint]["address"]}
    if "caller" in case:
        caller = servers["callers"][case["caller"]]
        arguments["tls"] = Tls(
            ca=servers[endpoint]["ca"],
            certificate=caller.get("certificate"),
            key=caller.get("key"),
        )
        if "token" in caller:
            arguments["token"] = Path(caller["token"]).read_text
    return arguments


def call_of(
    case: Json, servers: Json, on_headers: Callable[[dict[str, str | bytes]], object]
) -> tuple[str, Message, CallOptions]:
    """The method of the client, the request, and the options."""
    options: CallOptions = {"on_headers": on_headers}
    if "viewer_token" in case:
        options["viewer_token"] = Path(servers["viewer_tokens"][case["viewer_token"]]).read_text()
    if "request_metadata" in case:
        options["metadata"] = list(case["request_metadata"].items())
    if "timeout_ms" in case:
        options["timeout"] = case["timeout_ms"] / 1000
    method = "ListInboxes" if case.get("pages") else case["method"]
    request = message_class(f"{method}Request")()
    json_format.ParseDict(case["request"], request)
    return "inboxes" if case.get("pages") else METHODS[method], request, options


async def ask_in_thread(case: Json, endpoint: str, servers: Json) -> Outcome:
    return await asyncio.to_thread(ask, case, endpoint, servers)


def ask(case: Json, endpoint: str, servers: Json) -> Outcome:
    headers: dict[str, str | bytes] = {}
    method, request, options = call_of(case, servers, headers.update)
    if method == "watch":
        return ask_to_watch(case, endpoint, servers)
    try:
        with InboxClient(**client_arguments(case, endpoint, servers)) as client:
            answer = getattr(client, method)(request, **options)
            if method == "inboxes":
                return Outcome(ids=[str(inbox.id) for inbox in answer], headers=headers)
            return Outcome(response=answer, headers=headers)
    except InboxError as error:
        return Outcome(error=error)


def watch_of(case: Json, servers: Json) -> tuple[pb.WatchInboxesRequest, dict[str, Any]]:
    """The request of a watch, and the options."""
    request = pb.WatchInboxesRequest()
    json_format.ParseDict(case["request"], request)
    options = {}
    if "viewer_token" in case:
        token = Path(servers["viewer_tokens"][case["viewer_token"]])
        options["viewer_token"] = token.read_text
    return request, options


def ask_to_watch(case: Json, endpoint: str, servers: Json) -> Outcome:
    request, options = watch_of(case, servers)
    events = []
    try:
        with (
            InboxClient(**client_arguments(case, endpoint, servers)) as client,
            client.watch(request, **options) as watch,
        ):
            for event in watch:
                events.append(json_format.MessageToDict(event))
                if event.HasField("synced"):
                    break
        return Outcome(events=events)
    except InboxError as error:
        return Outcome(events=events, error=error)


async def ask_to_watch_in_loop(case: Json, endpoint: str, servers: Json) -> Outcome:
    request, options = watch_of(case, servers)
    events = []
    try:
        async with (
            AsyncInboxClient(**client_arguments(case, endpoint, servers)) as client,
            client.watch(request, **options) as watch,
        ):
            async for event in watch:
                events.append(json_format.MessageToDict(event))
                if event.HasField("synced"):
                    break
        return Outcome(events=events)
    except InboxError as error:
        return Outcome(events=events, error=error)


async def ask_in_loop(case: Json, endpoint: str, servers: Json) -> Outcome:
    headers: dict[str, str | bytes] = {}
    method, request, options = call_of(case, servers, headers.update)
    if method == "watch":
        return await ask_to_watch_in_loop(case, endpoint, servers)
    try:
        async with AsyncInboxClient(**client_arguments(case, endpoint, servers)) as client:
            answer = getattr(client, method)(request, **options)
            if method == "inboxes":
                return Outcome(ids=[str(inbox.id) async for inbox in answer], headers=headers)
            return Outcome(response=await answer, headers=headers)
    except InboxError as error:
        return Outcome(error=error)


def problem_with(case: Json, outcome: Outcome) -> str | None:
    """The first difference between a case and its outcome."""
    if "error" in case:
        if outcome.events:
            return f"expected no events, got {short(outcome.events)}"
        if outcome.error is None:
            return f"expected {short(case['error'])}, got no error"
        return difference(case["error"], error_json(outcome.error, case["error"]), "error")
    if outcome.error is not None:
        return f"expected no error, got {outcome.error}"
    problem = None
    if "ids" in case:
        problem = difference(case["ids"], outcome.ids, "ids")
    if "events" in case:
        problem = difference(case["events"], outcome.events, "events")
    if "response" in case and outcome.response is not None:
        actual = json_format.MessageToDict(outcome.response)
        problem = difference(case["response"], actual, "response")
    if problem is None and "response_metadata" in case:
        expected = case["response_metadata"]
        actual = {key: value for key, value in outcome.headers.items() if key in expected}
        problem = difference(expected, actual, "response_metadata")
    return problem


def error_json(error: InboxError, keys: Json) -> Json:
    """The keys of an expected error that are there."""
    values = {
        "code": error.code.name,
        "reason": error.reason.value if error.reason else "",
        "known": isinstance(error.reason, Reason),
        "metadata": dict(error.metadata),
        "fields": [violation.field for violation in error.fields],
        "retry_delay_seconds": error.retry_delay,
        "request_id": error.request_id or "",
        "message": error.message,
    }
    return {key: values[key] for key in keys}


def difference(expected: Json, actual: Json, path: str) -> str | None:
    """The first difference of two JSON values. The text "…" is any text but the empty one."""
    if expected == ANY_TEXT and isinstance(actual, str) and actual:
        return None
    if isinstance(expected, dict) and isinstance(actual, dict):
        for key in [*expected, *(key for key in actual if key not in expected)]:
            if key not in actual or key not in expected:
                sides = [short(it.get(key, "nothing")) for it in (expected, actual)]
                return f"{path}.{key}: expected {sides[0]}, got {sides[1]}"
            problem = difference(expected[key], actual[key], f"{path}.{key}")
            if problem is not None:
                return problem
        return None
    if isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        problems = (
            difference(one, other, f"{path}[{index}]")
            for index, (one, other) in enumerate(zip(expected, actual, strict=True))
        )
        return next((problem for problem in problems if problem is not None), None)
    # In Python, True == 1.
    if isinstance(expected, bool) == isinstance(actual, bool) and expected == actual:
        return None
    return f"{path}: expected {short(expected)}, got {short(actual)}"


def short(value: Json) -> str:
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= 120 else f"{text[:120]}…"
