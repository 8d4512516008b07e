"""Client of leadchat's inbox service. The messages are those of `leadchat.inbox.v1`."""

from leadchat_inbox.aio import AsyncInboxClient
from leadchat_inbox.cache import AsyncInboxCache, Cache, CacheNotReady, InboxCache
from leadchat_inbox.client import InboxClient
from leadchat_inbox.connection import AsyncWatchOptions, CallOptions, Tls, WatchOptions
from leadchat_inbox.errors import FieldViolation, InboxError, Other, Reason, error_from_status
from leadchat_inbox.watch import AsyncWatch, Watch

__all__ = [
    "AsyncInboxCache",
    "AsyncInboxClient",
    "AsyncWatch",
    "AsyncWatchOptions",
    "Cache",
    "CacheNotReady",
    "CallOptions",
    "FieldViolation",
    "InboxCache",
    "InboxClient",
    "InboxError",
    "Other",
    "Reason",
    "Tls",
    "Watch",
    "WatchOptions",
    "error_from_status",
]
__version__ = "0.1.0"
