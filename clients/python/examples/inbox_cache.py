"""A cache of the inboxes that a user may see. A watch keeps it.

python inbox_cache.py 127.0.0.1:50051
"""

import sys

from leadchat.inbox.v1 import inbox_service_pb2 as pb
from leadchat_inbox import CacheNotReady, InboxCache, InboxClient, InboxError, Reason

# How old an answer from the cache may be, in seconds. A heartbeat comes every 15 s.
MAX_AGE = 30.0


def may_see(cache: InboxCache, inbox_id: int) -> bool:
    """Asks the cache. It raises an error after the cache has forgotten everything."""
    if cache.age > MAX_AGE:
        raise TimeoutError("the service is away: ask it, or answer that it is away")
    return cache.get(inbox_id) is not None


def show(client: InboxClient, account: int, user: int) -> None:
    request = pb.WatchInboxesRequest(
        account_id=account,
        viewer=pb.Viewer(user_id=user),
        detail=pb.INBOX_DETAIL_BASIC,
    )
    with client.open_cache(request) as cache:
        cache.wait_synced(10)
        for inbox in cache.list():
            print(inbox.id, inbox.name)
        for inbox_id in (3, 4):
            print(f"inbox {inbox_id}: may see it: {may_see(cache, inbox_id)}")


def main(addresses: list[str]) -> None:
    with InboxClient(addresses) as client:
        # Ben is an agent of account 1. Each user needs a cache of its own.
        try:
            show(client, account=1, user=2)
        except CacheNotReady as error:
            sys.exit(f"{error}: {error.__cause__}")
        # Ben does not belong to account 2.
        try:
            show(client, account=2, user=2)
        except InboxError as error:
            if error.reason not in (Reason.ACCESS_DENIED, Reason.ACCOUNT_SUSPENDED):
                raise
            print("account 2: nothing is held")


if __name__ == "__main__":
    main(sys.argv[1:])
