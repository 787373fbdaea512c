"""A person's inbox as the campus app sees it: get a token for her, list, then follow the live stream.

    CAMPANILE_TOKEN=cpl_live_… python inbox.py USER_ID [HOW_MANY_TO_WAIT_FOR]

The token in CAMPANILE_TOKEN belongs to the app's gateway and needs the scope ISSUE_USER_TOKENS.
"""

import sys

from client import connect, inbox_service_pb2, inbox_service_pb2_grpc, token


def main(user_id, wait_for="1"):
    service = inbox_service_pb2_grpc.InboxServiceStub(connect())
    issued = service.IssueUserToken(
        inbox_service_pb2.IssueUserTokenRequest(user_id=user_id), metadata=token(), timeout=10
    )
    hers = token(issued.token)
    listed = service.ListInbox(inbox_service_pb2.ListInboxRequest(), metadata=hers, timeout=10)
    print(f"{len(listed.items)} in the inbox, {listed.unread_count} unread", flush=True)
    for item in listed.items:
        print(f"  {item.message_id} {item.title}", flush=True)
    # The cursor of the list joins the stream to it: nothing falls between the two.
    left = int(wait_for)
    stream = service.Subscribe(inbox_service_pb2.SubscribeRequest(cursor=listed.cursor), metadata=hers)
    print("subscribed", flush=True)
    for event in stream:
        if event.HasField("added"):
            print(f"new: {event.added.message_id} {event.added.title}", flush=True)
            left -= 1
        if left <= 0:
            break
    stream.cancel()


if __name__ == "__main__":
    main(*sys.argv[1:])
