"""A first publish: to one person over e-mail, WeChat and the app, then watch what becomes of it.

    CAMPANILE_TOKEN=cpl_live_… python first_publish.py USER_ID [TITLE]
"""

import sys
import uuid

import grpc

from client import audience_pb2, connect, content_pb2, message_pb2, publish_service_pb2, publish_service_pb2_grpc
from client import refusal, token


def main(user_id, title="图书馆：您预约的书已到"):
    service = publish_service_pb2_grpc.PublishServiceStub(connect())
    request = message_pb2.PublishRequest(
        # The name of the event that caused the message: repeating the call never sends it twice.
        idempotency_key=f"example:{uuid.uuid4()}",
        # A program names people by a list; expressions are for people who write them.
        audience=audience_pb2.Audience(users=audience_pb2.UserList(user_ids=[user_id])),
        content=content_pb2.Content(
            inline=content_pb2.Inline(
                title=title,
                body="请在三天内到**二层服务台**领取。",
                link=f"https://library.example.edu/holds/{uuid.uuid4()}",
            )
        ),
        message_class=message_pb2.MESSAGE_CLASS_TRANSACTIONAL,
        channels=[content_pb2.CHANNEL_EMAIL, content_pb2.CHANNEL_WECHAT, content_pb2.CHANNEL_APP],
    )
    try:
        answer = service.Publish(request, metadata=token(), timeout=10)
    except grpc.RpcError as error:
        reason, field, message, metadata = refusal(error)
        print(f"refused: {reason} {field} {message} {metadata}")
        raise SystemExit(1)
    print(f"accepted: {answer.message_id} for {answer.recipient_count} person")

    watch = publish_service_pb2.WatchMessageRequest(message_id=answer.message_id)
    for event in service.WatchMessage(watch, metadata=token(), timeout=60):
        state = message_pb2.MessageState.Name(event.message.state)
        counts = ", ".join(f"{content_pb2.Channel.Name(c.channel)} sent {c.sent}" for c in event.message.counts)
        print(f"{state}: {counts}")
        if event.ended:
            break


if __name__ == "__main__":
    main(*sys.argv[1:])
