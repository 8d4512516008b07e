"""Client of leadchat's inbox service. The messages are those of `leadchat.inbox.v1`."""

from leadchat_inbox.aio import AsyncInboxClient
from leadchat_inbox.client import InboxClient
from leadchat_inbox.connection import CallOptions, Tls
from leadchat_inbox.errors import FieldViolation, InboxError, Other, Reason, error_from_status

__all__ = [
    "AsyncInboxClient",
    "CallOptions",
    "FieldViolation",
    "InboxClient",
    "InboxError",
    "Other",
    "Reason",
    "Tls",
    "error_from_status",
]
__version__ = "0.1.0"
