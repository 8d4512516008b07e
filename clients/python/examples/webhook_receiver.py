"""A webhook receiver: finds the inboxes of an event by the address in it.

python webhook_receiver.py 127.0.0.1:50051
"""

import sys

from leadchat.inbox.v1 import inbox_pb2
from leadchat.inbox.v1 import inbox_service_pb2 as pb
from leadchat_inbox import InboxClient, InboxError, Reason

SERVICE = pb.Viewer(service=pb.ServiceViewer())


def receive(client: InboxClient, request: pb.FindInboxesRequest) -> str:
    """The answer to the platform."""
    try:
        found = client.find(request)
        inboxes = list(found.inboxes)
        for rest in found.remaining:
            inboxes.extend(get(client, request, rest))
    except InboxError as error:
        # An error does not mean that no inbox was found: the platform delivers the event again.
        return f"refused: {error}"
    if not inboxes:
        # Another delivery would change nothing.
        return "accepted, address recorded"
    # The account and the id together identify an inbox.
    return "accepted for " + ", ".join(f"{it.name} ({it.account_id}/{it.id})" for it in inboxes)


def get(
    client: InboxClient, search: pb.FindInboxesRequest, rest: pb.InboxReference
) -> list[inbox_pb2.Inbox]:
    """An inbox that did not fit into the response, or none if it has been deleted since."""
    request = pb.GetInboxRequest(
        account_id=rest.account_id,
        inbox_id=rest.inbox_id,
        viewer=SERVICE,
        detail=search.detail,
    )
    try:
        return [client.get(request).inbox]
    except InboxError as error:
        if error.reason is Reason.INBOX_NOT_FOUND:
            return []
        raise


def main(address: str) -> None:
    basic = pb.INBOX_DETAIL_BASIC
    with InboxClient(address) as client:
        page = pb.FindInboxesRequest(
            viewer=SERVICE, detail=basic, facebook_page_id="555000000000104"
        )
        print("page:", receive(client, page))
        number = pb.FindInboxesRequest(viewer=SERVICE, phone_number="+1 (555) 555-0107")
        print("number:", receive(client, number))
        unknown = pb.FindInboxesRequest(viewer=SERVICE, phone_number="+1 555 555 0199")
        print("unknown number:", receive(client, unknown))
        blank = pb.FindInboxesRequest(viewer=SERVICE, detail=basic, phone_number=" ")
        print("blank number:", receive(client, blank))


if __name__ == "__main__":
    main(sys.argv[1])
