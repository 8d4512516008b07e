"""Credentials: tokens from suppliers, certificates that are renewed, and the places for secrets."""

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import expect
from fake import served

from leadchat.inbox.v1 import inbox_service_pb2 as pb
from leadchat_inbox import AsyncInboxClient, InboxClient, InboxError, Tls

Servers = dict[str, Any]


def supplier_is_asked_for_each_call(_: Servers) -> None:
    tokens = iter("abcd")

    async def supply() -> str:
        return next(tokens)

    async def two_calls(client: AsyncInboxClient) -> None:
        await client.get(expect.request())
        await client.get(expect.request())

    def two_calls_of_thread(client: InboxClient) -> None:
        client.get(expect.request())
        client.get(expect.request())

    with served() as fake:
        arguments = {"address": fake.address, "token": lambda: next(tokens)}
        expect.both(arguments, two_calls_of_thread, two_calls)
        expect.equal(
            [it["authorization"] for it in fake.headers], [f"Bearer {it}" for it in "abcd"]
        )
        tokens = iter("ef")
        expect.both(
            {"address": fake.address, "token": supply},
            lambda client: None,
            two_calls,
        )
        expect.equal([it["authorization"] for it in fake.headers[4:]], ["Bearer e", "Bearer f"])


def viewer_token_is_per_call(_: Servers) -> None:
    with served() as fake, InboxClient(fake.address) as client:
        client.get(expect.request(), viewer_token="one\n")
        client.get(expect.request())
        seen = [headers.get("viewer-authorization") for headers in fake.headers]
        expect.equal(seen, ["Bearer one", None])


def bad_tokens_are_unauthenticated(_: Servers) -> None:
    def fail() -> str:
        raise OSError("down")

    async def fail_async() -> str:
        raise OSError("down")

    suppliers: list[Any] = [lambda it=it: it for it in ("", " ", "a b", "a\x01", "é", None, 1)]
    with served() as fake:
        for supplier in (*suppliers, fail):
            arguments = {"address": fake.address, "token": supplier}
            check_token_error(expect.both_get(arguments, expect.request()), supplier is fail)
        errors = expect.both(
            {"address": fake.address, "token": fail_async},
            lambda client: None,
            lambda client: client.get(expect.request()),
        )
        check_token_error(errors[1:], True)
        check_token_error(
            expect.both_get({"address": fake.address}, expect.request(), viewer_token="a b"), False
        )
        expect.equal(fake.headers, [])
        expect.both_get({"address": fake.address, "token": lambda: " a\r\n"}, expect.request())
        expect.equal([it["authorization"] for it in fake.headers], ["Bearer a"] * 2)


def check_token_error(errors: Sequence[object], has_cause: bool) -> None:
    for error in errors:
        assert isinstance(error, InboxError), error
        expect.equal((error.code.name, error.reason), ("UNAUTHENTICATED", None))
        expect.equal(isinstance(error.__cause__, OSError), has_cause)


def plaintext_is_for_this_machine(_: Servers) -> None:
    for kind in (InboxClient, AsyncInboxClient):
        for remote in ("inbox.example:1", "192.0.2.1:1", "[fe80::1]:1"):
            for address in (remote, ["127.0.0.1:1", remote]):
                error = expect.raises(ValueError, lambda: kind(address))
                expect.equal(str(error), f"{remote} is no loopback address, so it needs TLS")
        for local in ("unix:/socket", "localhost:1", "127.0.0.2:1", "[::1]:1"):
            kind(local)
        kind(["127.0.0.1:1", "localhost:1"])
        kind("inbox.example:1", tls=Tls())


def replicas_over_tls_need_one_name(servers: Servers) -> None:
    port = servers["tls"]["address"].rpartition(":")[2]
    addresses = [f"localhost:{port}", f"127.0.0.1:{port}"]
    ca = servers["tls"]["ca"]
    for kind in (InboxClient, AsyncInboxClient):
        expect.raises(ValueError, lambda: kind(addresses, tls=Tls(ca)))
    for name, code in (("localhost", "UNAUTHENTICATED"), ("wrong.example", "UNAVAILABLE")):
        arguments = {
            "address": addresses,
            "tls": Tls(ca, server_name=name),
            "options": [("grpc.enable_retries", 0)],
        }
        for error in expect.both_get(arguments, expect.request()):
            assert isinstance(error, InboxError)
            expect.equal(error.code.name, code)


def a_certificate_needs_its_key(_: Servers) -> None:
    for arguments, missing in (({"certificate": "x"}, "key"), ({"key": "x"}, "certificate")):
        error = expect.raises(ValueError, lambda: Tls(**arguments))
        expect.that(f"the {missing} is missing" in str(error), f"the {missing} in the error")


def secrets_are_in_no_text(servers: Servers) -> None:
    caller = servers["callers"]["dashboard"]
    key = Path(caller["key"]).read_text()
    # A key as a string is not taken for a path, which the error would quote.
    tls = Tls(Path(servers["tls"]["ca"]), Path(caller["certificate"]), key)
    expect.that(key not in repr(tls), "no key")
    with InboxClient(servers["tls"]["address"], tls=tls, token=lambda: "secret\x00") as client:
        error = expect.raises(InboxError, lambda: client.get(expect.request()))
    expect.that("secret" not in f"{error}{error!r}{client!r}", "no token")
    viewer = Path(servers["viewer_tokens"]["1"]).read_text()
    forged = viewer[:-8] + "AAAAAAAA"
    with InboxClient(servers["tls"]["address"], tls=tls) as client:
        error = expect.raises(InboxError, lambda: client.get(expect.request(), viewer_token=forged))
    expect.that(forged not in f"{error}{error!r}{error.__cause__!r}", "no token")


def renewed_certificate_is_used(servers: Servers) -> None:
    """The files become those of another caller, first one of them, then the other."""
    callers, server = servers["callers"], servers["tls"]
    question = pb.ExplainAccessRequest(account_id=1, viewer=pb.Viewer(user_id=1))
    viewer_token = Path(servers["viewer_tokens"]["1"]).read_text()
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = Path(folder, "tls.crt"), Path(folder, "tls.key")

        def replace(target: Path, source: str) -> None:
            shutil.copy(source, f"{target}.new")
            os.replace(f"{target}.new", target)

        def names(client: InboxClient) -> list[str]:
            replace(certificate, callers["dashboard"]["certificate"])
            replace(key, callers["dashboard"]["key"])
            first = client.explain(question, viewer_token=viewer_token).caller
            replace(certificate, callers["sender"]["certificate"])
            second = client.explain(question, viewer_token=viewer_token).caller
            replace(key, callers["sender"]["key"])
            error = expect.raises(InboxError, lambda: client.explain(question))
            assert isinstance(error, InboxError)
            return [first, second, f"{error.reason and error.reason.value}"]

        async def names_async(client: AsyncInboxClient) -> list[str]:
            replace(certificate, callers["dashboard"]["certificate"])
            replace(key, callers["dashboard"]["key"])
            first = (await client.explain(question, viewer_token=viewer_token)).caller
            replace(certificate, callers["sender"]["certificate"])
            second = (await client.explain(question, viewer_token=viewer_token)).caller
            replace(key, callers["sender"]["key"])
            try:
                await client.explain(question)
            except InboxError as error:
                return [first, second, f"{error.reason and error.reason.value}"]
            return []

        replace(certificate, callers["dashboard"]["certificate"])
        replace(key, callers["dashboard"]["key"])
        tls = Tls(server["ca"], certificate, key)
        results = expect.both({"address": server["address"], "tls": tls}, names, names_async)
        # The sender needs a token, too.
        expect.equal(results, [["dashboard", "dashboard", "CREDENTIALS_MISSING"]] * 2)


def pem_may_be_bytes(servers: Servers) -> None:
    caller = servers["callers"]["dashboard"]
    ca, certificate, key = (
        Path(file).read_bytes()
        for file in (servers["tls"]["ca"], caller["certificate"], caller["key"])
    )
    tls = Tls(ca, certificate, key)
    token = Path(servers["viewer_tokens"]["1"]).read_text()
    arguments = {"address": [servers["tls"]["address"]], "tls": tls}
    for response in expect.both_get(arguments, expect.request(), viewer_token=token):
        assert isinstance(response, pb.GetInboxResponse), response
        expect.equal(response.inbox.id, 3)


CHECKS = [
    supplier_is_asked_for_each_call,
    viewer_token_is_per_call,
    bad_tokens_are_unauthenticated,
    plaintext_is_for_this_machine,
    replicas_over_tls_need_one_name,
    a_certificate_needs_its_key,
    secrets_are_in_no_text,
    renewed_certificate_is_used,
    pem_may_be_bytes,
]
