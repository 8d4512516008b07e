"""An inbox picker: shows a user the inboxes to choose from.

python inbox_picker.py 127.0.0.1:50051
"""

import asyncio
import sys

from leadchat.inbox.v1 import channel_pb2
from leadchat.inbox.v1 import inbox_service_pb2 as pb
from leadchat_inbox import AsyncInboxClient, InboxError, Reason


async def main(address: str) -> None:
    request = pb.ListInboxesRequest(
        account_id=1,
        viewer=pb.Viewer(user_id=1),
        detail=pb.INBOX_DETAIL_BASIC,
        page_size=5,
    )
    async with AsyncInboxClient(address) as client:
        # A picker shows the first page. The user types a "t", and wants text messages only.
        page = await client.list(request)
        print("first page:", ", ".join(inbox.name for inbox in page.inboxes))
        filtered = pb.ListInboxesRequest()
        filtered.CopyFrom(request)
        filtered.name_prefix = "t"
        filtered.channel_kinds.extend(
            [channel_pb2.CHANNEL_KIND_SMS, channel_pb2.CHANNEL_KIND_TWILIO_SMS]
        )
        print("with t:", [inbox.name async for inbox in client.inboxes(filtered)])
        # All pages, for a cache. Its keys have the role, which is the number of `disclosed_as`.
        async for page in client.pages(request):
            for inbox in page.inboxes:
                key = f"{inbox.id}:{page.disclosed_as}"
                print(f"key {key:4} {inbox.name} ({inbox.channel_type}, etag {inbox.etag[:6]}…)")
        # An error is not an empty list: the last list of the user stays on display.
        try:
            await client.list(pb.ListInboxesRequest(account_id=3, viewer=pb.Viewer(user_id=3)))
        except InboxError as error:
            if error.reason is not Reason.ACCOUNT_SUSPENDED:
                raise
            print("account 3:", error.message)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
