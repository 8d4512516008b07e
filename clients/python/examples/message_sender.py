"""A message sender: checks that a user may send from an inbox, then gets the data to send.

    python message_sender.py 127.0.0.1:50051

Secrets are disclosed to a service only by a server with `--local-role administrator`.
"""

import sys

from leadchat.inbox.v1 import channel_pb2, inbox_pb2, visibility_pb2
from leadchat.inbox.v1 import inbox_service_pb2 as pb
from leadchat_inbox import InboxClient, InboxError, Reason

SERVICE = pb.Viewer(service=pb.ServiceViewer())


def may_send(client: InboxClient, user_id: int, inbox_id: int) -> bool:
    """Whether the user belongs to the account, and sees the inbox."""
    request = pb.GetInboxRequest(
        account_id=1,
        inbox_id=inbox_id,
        viewer=pb.Viewer(user_id=user_id),
        detail=pb.INBOX_DETAIL_BASIC,
    )
    try:
        client.get(request)
    except InboxError as error:
        if error.reason in (Reason.INBOX_NOT_FOUND, Reason.ACCESS_DENIED):
            return False
        raise
    return True


def auth_token(response: pb.GetInboxResponse) -> str:
    """The state of Twilio's token, and never the token itself."""
    inbox = response.inbox
    by_caller = visibility_pb2.SECRET_GROUP_TWILIO in response.caller_withheld
    if response.disclosed_as != pb.ROLE_ADMINISTRATOR or by_caller:
        return "withheld"
    if any(it.field.startswith("twilio_sms") for it in inbox.degradations):
        return "broken"
    return "there" if inbox.twilio_sms.HasField("auth_token") else "not set"


def sender(inbox: inbox_pb2.Inbox) -> str:
    """The address that a message is sent from, and what stands against it."""
    match inbox.WhichOneof("channel"):
        case "twilio_sms":
            return inbox.twilio_sms.phone_number
        case "whatsapp":
            return inbox.whatsapp.phone_number
        case "tiktok":
            if inbox.tiktok.reauthorization == channel_pb2.REAUTHORIZATION_REQUIRED:
                return "nothing: an administrator has to connect it again"
            return "TikTok"
        case other:
            return f"{other or inbox.channel_type}: not for this example"


def main(address: str) -> None:
    with InboxClient(address) as client:
        # Ben is a member of inbox 7, and not of inbox 4. There is no user 99 in the account.
        for user_id, inbox_id in ((2, 7), (2, 4), (99, 7)):
            may = may_send(client, user_id, inbox_id)
            print(f"user {user_id}, inbox {inbox_id}: may send: {may}")
        response = client.get(pb.GetInboxRequest(account_id=1, inbox_id=7, viewer=SERVICE))
        print("send from", sender(response.inbox), "with a token that is", auth_token(response))
        batch = client.batch(
            pb.BatchGetInboxesRequest(account_id=1, inbox_ids=[6, 12, 99], viewer=SERVICE)
        )
        for inbox in batch.inboxes:
            print(f"inbox {inbox.id}: send from {sender(inbox)}")
        print("not found:", list(batch.not_found), "to request again:", list(batch.remaining_ids))


if __name__ == "__main__":
    main(sys.argv[1])
