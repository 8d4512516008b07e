// Checks of watches and caches.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { equals } from "@bufbuild/protobuf";
import {
  Code,
  InboxCache,
  InboxClient,
  InboxDetail,
  InboxError,
  InboxSchema,
  NotReadyError,
  Role,
  type Watch,
  type WatchInboxesResponse,
} from "@leadchat/inbox-client";
import type { Check } from "./idioms.js";
import { failure } from "./idioms-errors.js";
import { Proxy } from "./proxy.js";
import { callerClient, readToken } from "./servers.js";

export const request = {
  accountId: 1n,
  viewer: { principal: { case: "userId", value: 2n } },
  detail: InboxDetail.BASIC,
} as const;
const asService = { ...request, viewer: { principal: { case: "service", value: {} } } } as const;
// User 1 does not belong to account 2.
const denied = { accountId: 2n, viewer: { principal: { case: "userId", value: 1n } } } as const;

/** The events up to the next `synced`. */
export async function batch(watch: Watch): Promise<WatchInboxesResponse[]> {
  const events: WatchInboxesResponse[] = [];
  for (;;) {
    const { value, done } = await watch.next();
    assert.ok(!done, "the watch has ended");
    events.push(value);
    if (value.event.case === "synced") return events;
  }
}

/** Each event in one word. */
export function words(events: readonly WatchInboxesResponse[]): string[] {
  return events.map(({ event }) => {
    if (event.case === "upserted") return `+${event.value.id}`;
    if (event.case === "removed") return `-${event.value.inboxId}`;
    return String(event.case);
  });
}

function known(events: readonly WatchInboxesResponse[]) {
  return events.flatMap(({ event }) =>
    event.case === "upserted" ? [{ inboxId: event.value.id, etag: event.value.etag }] : [],
  );
}

function reads(cache: InboxCache): (() => unknown)[] {
  return [() => cache.get(3n), () => cache.list(), () => cache.readTime, () => cache.ageMs];
}

async function run(program: string, address: string): Promise<string> {
  const arguments_ = ["--input-type=module", "--eval", program, address];
  const options = { timeout: 20_000, cwd: new URL(".", import.meta.url) };
  return (await promisify(execFile)(process.execPath, arguments_, options)).stdout;
}

export const watchChecks: Record<string, Check> = {
  "watch/events-in-a-loop": async (servers, keep) => {
    const client = keep(new InboxClient(servers.plain.address));
    const names: string[] = [];
    for await (const { event, disclosedAs } of client.watch(request)) {
      assert.equal(disclosedAs, Role.AGENT);
      if (event.case === "synced") break;
      if (event.case === "upserted") names.push(event.value.name);
    }
    assert.deepEqual(names, ["Website chat", "Customer mail", "Pick-up desk"]);
  },

  "watch/several-at-once": async (servers, keep) => {
    const client = keep(new InboxClient(servers.plain.address));
    const watches = Array.from({ length: 12 }, () => keep(client.watch(request)));
    const batches = await Promise.all(watches.map(batch));
    for (const events of batches) assert.deepEqual(words(events), ["+1", "+3", "+7", "synced"]);
  },

  "watch/known-is-honoured": async (servers, keep) => {
    const client = keep(new InboxClient(servers.plain.address));
    const held = known(await batch(keep(client.watch(request))));
    const same = await batch(keep(client.watch({ ...request, known: held })));
    assert.deepEqual(words(same), ["synced"]);
    const stale = [{ inboxId: 99n, etag: "gone" }, ...held.slice(1)];
    const other = await batch(keep(client.watch({ ...request, known: stale })));
    assert.deepEqual(words(other).sort(), ["+1", "-99", "synced"]);
  },

  "watch/known-beyond-the-limit": async (servers, keep) => {
    const client = keep(new InboxClient(servers.plain.address));
    const held = known(await batch(keep(client.watch(request)))).slice(1);
    const more = Array.from({ length: 5000 }, (_, i) => ({ inboxId: BigInt(100 + i), etag: "" }));
    const watch = keep(client.watch({ ...request, known: [...held, ...more] }));
    const events = words(await batch(watch));
    // What is held unchanged is no event. What has gone is removed before `synced`.
    assert.deepEqual(events.slice(0, 2), ["+1", "-100"]);
    assert.deepEqual([events.length, events.at(-1)], [5002, "synced"]);
  },

  "watch/resumes-with-what-is-held": async (servers, keep) => {
    const proxy = keep(new Proxy(servers.plain.address));
    const client = keep(new InboxClient(`127.0.0.1:${await proxy.listen()}`));
    const watch = keep(client.watch(request));
    assert.equal((await batch(watch)).length, 4);
    proxy.refusing = true;
    proxy.cut();
    setTimeout(() => (proxy.refusing = false), 500);
    assert.deepEqual(words(await batch(watch)), ["synced"]);
  },

  "watch/close-ends-it-at-once": async (servers, keep) => {
    const client = keep(new InboxClient(servers.plain.address));
    for (const end of ["close", "return"] as const) {
      const watch = client.watch(request);
      await batch(watch);
      const next = watch.next();
      const begin = Date.now();
      await watch[end]();
      assert.deepEqual(await next, { value: undefined, done: true });
      assert.deepEqual(await watch.next(), { value: undefined, done: true });
      assert.ok(Date.now() - begin < 1000);
    }
    const unused = client.watch(request);
    unused.close();
    assert.deepEqual(await unused.next(), { value: undefined, done: true });
  },

  "watch/close-ends-a-delay": async (_, keep) => {
    const proxy = keep(new Proxy());
    proxy.refusing = true;
    const client = keep(new InboxClient(`127.0.0.1:${await proxy.listen()}`));
    const watch = client.watch(request);
    const next = watch.next();
    await delay(1500);
    const begin = Date.now();
    watch.close();
    assert.deepEqual(await next, { value: undefined, done: true });
    assert.ok(Date.now() - begin < 100);
  },

  "watch/cancelled-by-a-signal": async (servers, keep) => {
    const client = keep(new InboxClient(servers.plain.address));
    const controller = new AbortController();
    const watch = client.watch(request, { signal: controller.signal });
    await batch(watch);
    const next = failure(watch.next());
    controller.abort("left the page");
    const error = await next;
    assert.deepEqual([error.code, error.cause], [Code.CANCELLED, "left the page"]);
    const late = await failure(client.watch(request, { signal: controller.signal }).next());
    assert.deepEqual([late.code, late.cause], [Code.CANCELLED, "left the page"]);
  },

  "watch/ends-with-its-client": async (servers, keep) => {
    const client = keep(new InboxClient(servers.plain.address));
    const watch = client.watch(request);
    await batch(watch);
    const next = failure(watch.next());
    const unused = client.watch(request);
    client.close();
    for (const ended of [next, failure(unused.next()), failure(client.watch(request).next())]) {
      assert.equal((await ended).description, "the client is closed");
    }
  },

  "watch/errors-that-end-it": async (servers, keep) => {
    const client = keep(new InboxClient(servers.plain.address));
    assert.equal((await failure(client.watch(denied).next())).reason, "ACCESS_DENIED");
    const invalid = await failure(client.watch({}).next());
    assert.deepEqual(invalid.fields.map(({ field }) => field), ["account_id", "viewer"]);
    const malformed = { code: Code.INVALID_ARGUMENT };
    assert.throws(() => client.watch({ accountId: 2n ** 70n }), malformed);
  },

  "watch/credentials-are-read-anew-once": async (servers, keep) => {
    const tokens: string[] = [];
    const token = () => readToken(servers.callers[tokens.shift() ?? ""]?.token ?? "");
    const client = keep(callerClient(servers, "watcher", { token }));
    tokens.push("late", "watcher");
    assert.ok((await batch(keep(client.watch(asService)))).length > 1);
    tokens.push("late", "late", "watcher");
    const error = await failure(client.watch(asService).next());
    assert.equal(error.reason, "CREDENTIALS_EXPIRED");
    assert.deepEqual(tokens, ["watcher"]);
  },

  "watch/credentials-are-renewed-in-time": async (servers, keep) => {
    const proxy = keep(new Proxy(servers.tls.address));
    const address = `localhost:${await proxy.listen()}`;
    const now = performance.now.bind(performance);
    const late = readToken(servers.callers["late"]?.token ?? "");
    let count = 0;
    const token = () => {
      count += 1;
      if (count === 2) {
        proxy.refusing = true;
        proxy.cut();
        // A second is left of the time for new credentials.
        performance.now = () => now() + 29_000;
      }
      return late;
    };
    const client = keep(new InboxClient(address, { tls: { ca: servers.tls.ca }, token }));
    const begin = now();
    try {
      const error = await failure(client.watch(asService).next());
      assert.equal(error.reason, "CREDENTIALS_EXPIRED");
      assert.ok(proxy.refused > 0 && now() - begin > 900 && now() - begin < 5000);
    } finally {
      performance.now = now;
    }
  },

  "watch/leaves-nothing-behind": async (servers) => {
    const program = `
      import { InboxCache, InboxClient } from "@leadchat/inbox-client";
      const client = new InboxClient(process.argv[1]);
      const request = { accountId: 1n, viewer: { principal: { case: "userId", value: 2n } } };
      for await (const { event } of client.watch(request)) if (event.case === "synced") break;
      const cache = new InboxCache(client, request);
      await cache.waitSynced(10_000);
      console.log(cache.list().length);
      cache.close();`;
    assert.equal(await run(program, servers.plain.address), "3\n");
  },

  "cache/as-the-list": async (servers, keep) => {
    const client = keep(new InboxClient(servers.plain.address));
    const administrator = {
      accountId: 1n,
      viewer: { principal: { case: "userId", value: 1n } },
      detail: InboxDetail.FULL,
    } as const;
    const cache = keep(new InboxCache(client, administrator));
    await cache.waitSynced(10_000);
    const held = cache.list();
    let count = 0;
    for await (const inbox of client.inboxes(administrator)) {
      assert.ok(equals(InboxSchema, inbox, held[count] ?? inbox));
      assert.equal(cache.get(inbox.id), held[count]);
      count += 1;
    }
    assert.deepEqual([count, held.length, cache.get(99n)], [13, 13, undefined]);
    assert.ok(cache.readTime !== undefined && Math.abs(cache.ageMs ?? Infinity) < 10_000);
  },

  "cache/not-ready": async (_, keep) => {
    const silent = keep(new Proxy());
    const client = keep(new InboxClient(`127.0.0.1:${await silent.listen()}`));
    const cache = keep(new InboxCache(client, request));
    assert.throws(() => cache.get(3n), NotReadyError);
    assert.throws(() => cache.list(), NotReadyError);
    await assert.rejects(cache.waitSynced(100), NotReadyError);
    assert.deepEqual([cache.readTime, cache.ageMs, cache.error], [undefined, undefined, undefined]);
    silent.refusing = true;
    silent.cut();
    const isUnavailable = (error: unknown) =>
      error instanceof NotReadyError &&
      error.cause instanceof InboxError &&
      error.cause.code === Code.UNAVAILABLE;
    await assert.rejects(cache.waitSynced(1000), isUnavailable);
  },

  "cache/forgets": async (servers, keep) => {
    const client = keep(new InboxClient(servers.plain.address));
    const refused = keep(new InboxCache(client, denied));
    assert.equal((await failure(refused.waitSynced(10_000))).reason, "ACCESS_DENIED");
    assert.equal(refused.error?.reason, "ACCESS_DENIED");
    for (const read of reads(refused)) assert.throws(read, refused.error);
    const closed = new InboxCache(client, request);
    await closed.waitSynced(10_000);
    closed.close();
    closed.close();
    for (const read of reads(closed)) assert.throws(read, { code: Code.CANCELLED });
    assert.equal(closed.error?.description, "the cache is closed");
  },

  "cache/keeps-what-it-holds-in-an-outage": async (servers, keep) => {
    const proxy = keep(new Proxy(servers.plain.address));
    const client = keep(new InboxClient(`127.0.0.1:${await proxy.listen()}`));
    const cache = keep(new InboxCache(client, request));
    await cache.waitSynced(10_000);
    const before = cache.readTime;
    proxy.refusing = true;
    proxy.cut();
    await delay(1000);
    assert.ok(cache.list().length === 3 && (cache.ageMs ?? 0) >= 1000);
    proxy.refusing = false;
    const end = Date.now() + 10_000;
    while (cache.readTime === before && Date.now() < end) await delay(50);
    assert.notEqual(cache.readTime, before);
  },
};
