"""The part that both clients share: addresses, credentials, options of channels and calls."""

from __future__ import annotations

import ipaddress
import json
import os
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypedDict, TypeGuard

import grpc

from leadchat_inbox.errors import error_from_status

StrPath = str | os.PathLike[str]
Pem = bytes | StrPath
Address = str | Sequence[str]
Header = tuple[str, str | bytes]
Metadata = list[Header]

# Every RPC only reads. RESOURCE_EXHAUSTED is left out: it is the code of REQUEST_TOO_LARGE, too.
# A watch has its own way to go on.
SERVICE_CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [
        {
            "name": [{"service": "leadchat.inbox.v1.InboxService"}],
            "retryPolicy": {
                "maxAttempts": 3,
                "initialBackoff": "1s",
                "maxBackoff": "10s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        },
        {"name": [{"service": "leadchat.inbox.v1.InboxService", "method": "WatchInboxes"}]},
    ],
}
# Pings find connections that are broken, while there is a call. A ping needs no data before it.
KEEPALIVE = [
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.http2.ping_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
]
# The library would wait for up to two minutes.
MAX_RECONNECT_BACKOFF = ("grpc.max_reconnect_backoff_ms", 10_000)


@dataclass(frozen=True)
class Tls:
    """TLS, with a certificate of the caller or without. gRPC's own roots count where `ca` is None.

    PEM is given as bytes, as a string, or as the path of a file, which is reread once it changes.
    `server_name` is the name in the server's certificate, if that is not the host of the address.
    """

    ca: Pem | None = None
    certificate: Pem | None = None
    key: Pem | None = field(default=None, repr=False)
    server_name: str | None = None

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            missing = "key" if self.key is None else "certificate"
            raise ValueError(f"a certificate and its key belong together: the {missing} is missing")

    def _state(self) -> object:
        """Differs once a file has been written or replaced."""
        stats = [os.stat(it) for it in (self.ca, self.certificate, self.key) if _is_path(it)]
        return [(it.st_dev, it.st_ino, it.st_size, it.st_mtime_ns) for it in stats]

    def _credentials(self) -> grpc.ChannelCredentials:
        ca, certificate, key = map(_read, (self.ca, self.certificate, self.key))
        # Fails if the files are half written, or the key is not yet that of the certificate.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if _is_path(self.ca):
            context.load_verify_locations(self.ca)
        if _is_path(self.certificate) and _is_path(self.key):
            context.load_cert_chain(self.certificate, self.key, password=lambda: "")
        return grpc.ssl_channel_credentials(ca, key, certificate)


class CallOptions(TypedDict, total=False):
    """The keyword arguments of every method."""

    # Seconds; by default, those of the client.
    timeout: float
    # The token of the user on whose behalf the call is made.
    viewer_token: str
    # Further headers, such as `x-request-id`.
    metadata: Sequence[Header]
    # Gets the headers of the response.
    on_headers: Callable[[dict[str, str | bytes]], object]


class WatchOptions(TypedDict, total=False):
    """The keyword arguments of watches and caches for threads."""

    # The token of the user, or a function that returns it: a watch may last longer than a token.
    viewer_token: str | Callable[[], str]
    # Further headers.
    metadata: Sequence[Header]


class AsyncWatchOptions(TypedDict, total=False):
    """The keyword arguments of watches and caches for asyncio."""

    # As in `WatchOptions`; also a coroutine function.
    viewer_token: str | Callable[[], str | Awaitable[str]]
    # Further headers.
    metadata: Sequence[Header]


class Connection:
    """An address with the credentials for it. It has no channel yet."""

    def __init__(
        self,
        address: Address,
        tls: Tls | None,
        max_response_bytes: int | None,
        options: Sequence[tuple[str, Any]],
    ) -> None:
        addresses = [address] if isinstance(address, str) else list(address)
        for each in addresses:
            if tls is None and not _is_local(each):
                raise ValueError(f"{each} is no loopback address, so it needs TLS")
        server_name = None if tls is None else tls.server_name
        if tls is not None and server_name is None and len(set(map(_host, addresses))) > 1:
            raise ValueError("replicas on several hosts need server_name of Tls")
        self.target, authority = _target(addresses, isinstance(address, str))
        authority = server_name or authority
        self.options: list[tuple[str, Any]] = [
            ("grpc.service_config", json.dumps(SERVICE_CONFIG)),
            # C core would send loopback calls, tokens included, to a proxy of the environment.
            ("grpc.enable_http_proxy", 0),
            *KEEPALIVE,
            MAX_RECONNECT_BACKOFF,
            *([("grpc.default_authority", authority)] if authority else []),
            *options,
        ]
        if max_response_bytes is not None:
            self.options.append(("grpc.max_receive_message_length", max_response_bytes))
        self._tls = tls
        self._state: object = None
        self.credentials: grpc.ChannelCredentials | None = None
        if tls is not None:
            self._state = tls._state()
            self.credentials = tls._credentials()

    def reload(self) -> bool:
        """Whether a file has changed, so that there are new credentials.

        The old ones stay while the new ones are unusable.
        """
        if self._tls is None:
            return False
        try:
            state = self._tls._state()
            if state == self._state:
                return False
            self.credentials = self._tls._credentials()
        except OSError:  # Also the class of ssl.SSLError. The next call tries again.
            return False
        self._state = state
        return True


def metadata_of(options: CallOptions) -> Metadata:
    """The headers of a call, without the caller's token."""
    headers = list(options.get("metadata", ()))
    for key, value in headers:
        # gRPC's own errors name no header, and differ between threads and asyncio.
        is_valid = isinstance(value, bytes) or re.fullmatch(r"[\x20-\x7e]*", value)
        if not is_valid or not re.fullmatch(r"[0-9a-z_.-]+", key):
            raise ValueError(f"{key!r} is not a lower-case header with printable ASCII")
    if "viewer_token" in options:
        headers.append(("viewer-authorization", bearer(options["viewer_token"])))
    return headers


@contextmanager
def supplying_token() -> Iterator[None]:
    """Turns a failure of the supplier of the token into the error of a call."""
    try:
        yield
    except Exception as error:
        message = "the supplier of the token failed"
        raise error_from_status(grpc.StatusCode.UNAUTHENTICATED, message) from error


def bearer(token: object) -> str:
    """The value of a header with a token. The error never quotes it."""
    pattern = r"\s*([\x21-\x7e]+)\s*"
    match = re.fullmatch(pattern, token, re.ASCII) if isinstance(token, str) else None
    if match is None:
        message = "a token is not 1 or more visible ASCII characters"
        raise error_from_status(grpc.StatusCode.UNAUTHENTICATED, message)
    return f"Bearer {match[1]}"


def _is_path(pem: Pem | None) -> TypeGuard[StrPath]:
    return pem is not None and not isinstance(pem, bytes) and "-----BEGIN" not in os.fspath(pem)


def _read(pem: Pem | None) -> bytes | None:
    if pem is None or isinstance(pem, bytes):
        return pem
    if _is_path(pem):
        with open(pem, "rb") as file:
            return file.read()
    return os.fspath(pem).encode()


def _host(address: str) -> str:
    return address.rpartition(":")[0].strip("[]")


def _is_local(address: str) -> bool:
    host = _host(address)
    if address.startswith("unix:") or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _target(addresses: list[str], is_one: bool) -> tuple[str, str | None]:
    """The target of the channel, and the authority where the library's default is unsuitable."""
    if is_one:
        return addresses[0], "localhost" if addresses[0].startswith("unix:") else None
    if not addresses:
        raise ValueError("the list of addresses is empty")
    # The library takes lists of IP addresses only, all of one family.
    found: dict[socket.AddressFamily, dict[str, None]] = {socket.AF_INET: {}, socket.AF_INET6: {}}
    complete = set(found)
    for address in addresses:
        host, _, port = address.rpartition(":")
        hits = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
        for family, _, _, _, where in hits:
            ip, port_number = where[:2]
            brackets = "[{}]:{}" if family == socket.AF_INET6 else "{}:{}"
            found[family][brackets.format(ip, port_number)] = None
        complete &= {hit[0] for hit in hits}
    for family, scheme in ((socket.AF_INET, "ipv4:"), (socket.AF_INET6, "ipv6:")):
        if family in complete:
            return scheme + ",".join(found[family]), addresses[0]
    raise ValueError("a list of addresses needs IPv4 for all, or IPv6 for all")
