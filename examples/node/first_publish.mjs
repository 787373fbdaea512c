// A first publish: to one person over e-mail, WeChat and the app, then watch what becomes of it.
//
//   CAMPANILE_TOKEN=cpl_live_… node first_publish.mjs USER_ID [TITLE]
import { randomUUID } from "node:crypto";

import { call, connect, refusal, token, v1 } from "./client.mjs";

const [userId, title = "一卡通：余额不足提醒"] = process.argv.slice(2);
const service = connect(v1.PublishService);

try {
  const answer = await call(service, "Publish", {
    // The name of the event that caused the message: repeating the call never sends it twice.
    idempotency_key: `example:${randomUUID()}`,
    // A program names people by a list; expressions are for people who write them.
    audience: { users: { user_ids: [userId] } },
    content: {
      inline: {
        title,
        body: "您的一卡通余额已低于 **10 元**。",
        link: `https://card.example.edu/balance/${randomUUID()}`,
      },
    },
    message_class: "MESSAGE_CLASS_TRANSACTIONAL",
    channels: ["CHANNEL_EMAIL", "CHANNEL_WECHAT", "CHANNEL_APP"],
  });
  console.log(`accepted: ${answer.message_id} for ${answer.recipient_count} person`);
  const watch = service.WatchMessage({ message_id: answer.message_id }, token());
  for await (const event of watch) {
    const counts = event.message.counts.map((count) => `${count.channel} sent ${count.sent}`).join(", ");
    console.log(`${event.message.state}: ${counts}`);
    if (event.ended) break;
  }
} catch (error) {
  if (error.code === undefined) throw error;
  const { reason, field, message, metadata } = refusal(error);
  console.log(`refused: ${reason} ${field} ${message} ${JSON.stringify(metadata)}`);
  process.exitCode = 1;
}
service.close();
