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
        # All pages, and the key of each inbox in a cache: it is for one role.
        async for inbox in client.inboxes(request):
            kind = channel_pb2.ChannelKind.Name(inbox.channel_kind)
            print(f"{inbox.id:3} {inbox.name} ({kind}, etag {inbox.etag[:6]}…)")
        # An error is not an empty list: the last list of the user stays on display.
        try:
            await client.list(pb.ListInboxesRequest(account_id=3, viewer=pb.Viewer(user_id=3)))
        except InboxError as error:
            if error.reason is not Reason.ACCOUNT_SUSPENDED:
                raise
            print("account 3:", error.message)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
