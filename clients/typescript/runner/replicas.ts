// The mode `replicas`: calls over a list of replicas, while one of them is stopped.
import { InboxClient } from "@leadchat/inbox-client";
import { print, type Servers } from "./servers.js";

const LOOPS = 4;
const CALLS_UNTIL_READY = 20;
const TIME_AFTER_READY_MS = 4000;

export async function runReplicas(servers: Servers): Promise<void> {
  const client = new InboxClient(servers.replicas, { timeoutMs: 5000 });
  const request = {
    accountId: 1n,
    inboxId: 1n,
    viewer: { principal: { case: "userId", value: 1n } },
  } as const;
  const problems: string[] = [];
  let calls = 0;
  let failed = 0;
  let end = Infinity;
  const loop = async () => {
    while (Date.now() < end) {
      await client.get(request).catch((error: unknown) => {
        failed += 1;
        if (problems.length < 5) problems.push(String(error));
      });
      calls += 1;
      if (calls === CALLS_UNTIL_READY) {
        end = Date.now() + TIME_AFTER_READY_MS;
        print({ ready: true });
      }
    }
  };
  await Promise.all(Array.from({ length: LOOPS }, loop));
  client.close();
  print({ calls, failed, problems });
}
