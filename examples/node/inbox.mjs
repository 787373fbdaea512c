// A person's inbox as the campus app sees it: get a token for her, list, then follow the live stream.
//
//   CAMPANILE_TOKEN=cpl_live_… node inbox.mjs USER_ID [HOW_MANY_TO_WAIT_FOR]
//
// The token in CAMPANILE_TOKEN belongs to the app's gateway and needs the scope ISSUE_USER_TOKENS.
import { call, connect, token, v1 } from "./client.mjs";

const [userId, waitFor = "1"] = process.argv.slice(2);
const service = connect(v1.InboxService);

const issued = await call(service, "IssueUserToken", { user_id: userId });
const hers = token(issued.token);
const listed = await call(service, "ListInbox", {}, hers);
console.log(`${listed.items.length} in the inbox, ${listed.unread_count} unread`);
for (const item of listed.items) console.log(`  ${item.message_id} ${item.title}`);

// The cursor of the list joins the stream to it: nothing falls between the two.
const stream = service.Subscribe({ cursor: listed.cursor }, hers);
console.log("subscribed");
let left = Number(waitFor);
for await (const event of stream) {
  if (event.added) {
    console.log(`new: ${event.added.message_id} ${event.added.title}`);
    left -= 1;
  }
  if (left <= 0) break;
}
// Leaving the loop does not tell the service; without this the process would wait for the stream's end.
stream.cancel();
service.close();
