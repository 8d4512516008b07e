// The mode `watch`: caches, while rows change, a replica stops, and tokens end. Each line of stdin
// begins a step.
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { equals } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import {
  Freshness,
  InboxCache,
  InboxClient,
  InboxDetail,
  InboxSchema,
  type Inbox,
} from "@leadchat/inbox-client";
import { callerClient, print, type Servers } from "./servers.js";

const SYNC_TIMEOUT_MS = 30_000;
const COMPARE_TIMEOUT_MS = 10_000;
const FORGET_TIMEOUT_MS = 20_000;
const RENEW_WAIT_MS = 12_000;
const MAX_AGE_MS = 17_000;
const EXPIRE_TIMEOUT_MS = 30_000;

export async function runWatch(servers: Servers): Promise<void> {
  const client = new InboxClient(servers.replicas);
  const administrator = new InboxCache(client, request(1n));
  const agent = new InboxCache(client, request(2n));
  await Promise.all([administrator, agent].map((cache) => cache.waitSynced(SYNC_TIMEOUT_MS)));
  print({ ready: true });
  for await (const step of createInterface({ input: process.stdin })) {
    switch (step.trim()) {
      case "compare":
        await Promise.all([
          report("cache/administrator", "replicas", () => compare(client, administrator, 1n)),
          report("cache/agent", "replicas", () => compare(client, agent, 2n)),
        ]);
        break;
      case "forget":
        await report("cache/forgets", "replicas", async () => {
          const problem = await forgets(agent, "ACCESS_DENIED", FORGET_TIMEOUT_MS);
          return problem ?? goesOn(administrator);
        });
        break;
      case "renew":
        await report("cache/renewed", "tls", () => tokenEnds(servers, "renewed", isRenewed));
        break;
      case "expire":
        await report("cache/expired", "tls", () =>
          tokenEnds(servers, "expired", (cache) =>
            forgets(cache, "CREDENTIALS_EXPIRED", EXPIRE_TIMEOUT_MS),
          ),
        );
        return;
      default:
        throw new Error(`unknown step ${step}`);
    }
  }
}

function request(user: bigint) {
  const viewer = { principal: { case: "userId", value: user } } as const;
  return { accountId: 1n, viewer, detail: InboxDetail.FULL };
}

async function report(name: string, endpoint: string, run: () => Promise<string | undefined>) {
  const problem = await run().catch((error: unknown) => `unexpected error: ${String(error)}`);
  const outcome = problem === undefined ? { ok: true } : { ok: false, problem };
  print({ case: name, endpoint, ...outcome });
}

// Asks until a condition holds.
async function until(timeoutMs: number, holds: () => boolean): Promise<boolean> {
  const end = Date.now() + timeoutMs;
  while (!holds()) {
    if (Date.now() >= end) return false;
    await delay(50);
  }
  return true;
}

// Whether the cache is as the list, once it is newer than a second from now.
async function compare(client: InboxClient, cache: InboxCache, user: bigint) {
  const begin = Date.now() + 1000;
  const isNewer = () => cache.readTime !== undefined && timestampMs(cache.readTime) > begin;
  if (!(await until(SYNC_TIMEOUT_MS, isNewer))) return `it is old: ${cache.ageMs} ms`;
  const end = Date.now() + COMPARE_TIMEOUT_MS;
  for (;;) {
    const listed: Inbox[] = [];
    const list = { ...request(user), freshness: Freshness.LATEST };
    for await (const inbox of client.inboxes(list)) listed.push(inbox);
    const problem = difference(listed, cache);
    if (problem === undefined || Date.now() >= end) return problem;
    await delay(200);
  }
}

function difference(listed: readonly Inbox[], cache: InboxCache): string | undefined {
  const ids = (inboxes: readonly Inbox[]) => inboxes.map(({ id }) => id).join(",");
  const [expected, got] = [ids(listed), ids(cache.list())];
  if (expected !== got) return `the list has ${expected}, and the cache has ${got}`;
  const other = listed.find((inbox) => {
    const held = cache.get(inbox.id);
    return held === undefined || !equals(InboxSchema, inbox, held);
  });
  return other && `inbox ${other.id} differs`;
}

async function forgets(cache: InboxCache, reason: string, timeoutMs: number) {
  await until(timeoutMs, () => cache.error !== undefined);
  if (cache.error === undefined) return `it has not ended: its age is ${cache.ageMs} ms`;
  const { reasonText } = cache.error;
  if (reasonText !== reason) return `it has ended with ${String(cache.error)}`;
  for (const read of [() => cache.list(), () => cache.get(1n)]) {
    try {
      read();
      return "it can still be read";
    } catch (error) {
      if (error !== cache.error) return `a read throws ${String(error)}`;
    }
  }
  return undefined;
}

// Opens a cache with a token that ends soon.
async function tokenEnds(
  servers: Servers,
  caller: string,
  check: (cache: InboxCache) => Promise<string | undefined>,
): Promise<string | undefined> {
  const client = callerClient(servers, caller);
  const viewer = { principal: { case: "service", value: {} } } as const;
  const cache = new InboxCache(client, { accountId: 1n, viewer, detail: InboxDetail.BASIC });
  try {
    await cache.waitSynced(SYNC_TIMEOUT_MS);
    print({ opened: true });
    return await check(cache);
  } finally {
    client.close();
  }
}

async function isRenewed(cache: InboxCache): Promise<string | undefined> {
  await delay(RENEW_WAIT_MS);
  return goesOn(cache);
}

function goesOn(cache: InboxCache): string | undefined {
  if (cache.error !== undefined) return `it has ended with ${String(cache.error)}`;
  if (cache.ageMs === undefined || cache.ageMs >= MAX_AGE_MS) return `it is ${cache.ageMs} ms old`;
  return cache.list().length > 0 ? undefined : "it is empty";
}
