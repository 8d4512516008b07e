// Checks of calls, deadlines, pages and replicas.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { create } from "@bufbuild/protobuf";
import {
  ChannelKind,
  Code,
  InboxClient,
  InboxDetail,
  InboxService,
  ListInboxesRequestSchema,
  Role,
  type Inbox,
} from "@leadchat/inbox-client";
import type { Check } from "./idioms.js";
import { failure, missingInbox } from "./idioms-errors.js";
import { Proxy } from "./proxy.js";

const emailInbox = { ...missingInbox, inboxId: 3n };

// An inbox kind has its own type in each branch.
function addressOf({ channel }: Inbox): string | undefined {
  switch (channel.case) {
    case "email":
      return channel.value.email;
    case "twilioSms":
    case "sms":
      return channel.value.phoneNumber;
    case undefined:
      return "none, or of a kind that this client does not know";
    default:
      return undefined;
  }
}

export const callChecks: Record<string, Check> = {
  "call/oneof-enums-and-bigints": async (servers, keep) => {
    const client = keep(new InboxClient(servers.plain.address));
    const { inbox, disclosedAs } = await client.get(emailInbox);
    assert.ok(inbox);
    const id: bigint = inbox.id;
    assert.equal(id, 3n);
    assert.equal(inbox.channelKind, ChannelKind.EMAIL);
    assert.equal(disclosedAs, Role.ADMINISTRATOR);
    assert.equal(addressOf(inbox), "hello@paperlantern.example");
  },

  "call/any-generated-method": async (servers, keep) => {
    const client = keep(new InboxClient(servers.unix.address));
    const answer = await client.call(InboxService.method.explainAccess, emailInbox);
    assert.equal(answer.permitted, true);
    assert.match(client.grpc.getChannel().getTarget(), /^unix:/);
  },

  "pages/stop-early": async (servers, keep) => {
    const client = keep(new InboxClient(servers.plain.address));
    const request = create(ListInboxesRequestSchema, {
      accountId: 1n,
      viewer: missingInbox.viewer,
      detail: InboxDetail.BASIC,
      pageSize: 2,
    });
    let pages = 0;
    const options = { onMetadata: () => (pages += 1) };
    const iterator = client.inboxes(request, options);
    assert.equal(pages, 0);
    const seen: bigint[] = [];
    for await (const { id } of iterator) {
      seen.push(id);
      if (seen.length === 3) break;
    }
    assert.deepEqual([seen, pages], [[3n, 4n, 5n], 2]);
    assert.deepEqual(await iterator.next(), { value: undefined, done: true });
    assert.equal(request.pageToken, "");
  },

  "pages/with-role": async (servers, keep) => {
    const client = keep(new InboxClient(servers.plain.address));
    const request = { accountId: 1n, viewer: missingInbox.viewer, pageSize: 2 };
    let calls = 0;
    const pages = client.pages(request, { onMetadata: () => (calls += 1) });
    const sizes: number[] = [];
    for await (const page of pages) {
      sizes.push(page.inboxes.length);
      assert.equal(page.disclosedAs, Role.ADMINISTRATOR);
      assert.equal(calls, sizes.length);
    }
    assert.deepEqual(sizes, [2, 2, 2, 2, 2, 2, 1]);
  },

  "deadline/default-is-five-seconds": async (_, keep) => {
    const silent = keep(new Proxy());
    const client = keep(new InboxClient(`127.0.0.1:${await silent.listen()}`));
    const begin = Date.now();
    const error = await failure(client.get(emailInbox));
    const elapsed = Date.now() - begin;
    assert.equal(error.code, Code.DEADLINE_EXCEEDED);
    assert.ok(elapsed > 4900 && elapsed < 9900, `after ${elapsed} ms`);
  },

  "deadline/of-the-client-and-of-the-call": async (_, keep) => {
    const silent = keep(new Proxy());
    const client = keep(new InboxClient(`127.0.0.1:${await silent.listen()}`, { timeoutMs: 200 }));
    const begin = Date.now();
    const error = await failure(client.get(emailInbox));
    assert.equal(error.code, Code.DEADLINE_EXCEEDED);
    await failure(client.get(emailInbox, { timeoutMs: 100 }));
    assert.ok(Date.now() - begin < 4900);
  },

  "call/cancelled-by-a-signal": async (_, keep) => {
    const silent = keep(new Proxy());
    const client = keep(new InboxClient(`127.0.0.1:${await silent.listen()}`));
    const controller = new AbortController();
    const call = failure(client.get(emailInbox, { signal: controller.signal }));
    setTimeout(() => controller.abort("typed on"), 50);
    const error = await call;
    assert.deepEqual([error.code, error.cause], [Code.CANCELLED, "typed on"]);
    const late = await failure(client.get(emailInbox, { signal: controller.signal }));
    assert.equal(late.code, Code.CANCELLED);
  },

  "retry/until-the-server-accepts": async (servers, keep) => {
    const proxy = keep(new Proxy(servers.plain.address));
    proxy.refusing = true;
    const client = keep(new InboxClient(`127.0.0.1:${await proxy.listen()}`));
    const call = client.get(emailInbox, { timeoutMs: 30_000 });
    setTimeout(() => (proxy.refusing = false), 300);
    assert.equal((await call).inbox?.id, 3n);
    assert.ok(proxy.refused > 0);
  },

  "replicas/round-robin-over-names": async (servers, keep) => {
    const proxies = servers.replicas.map((address) => keep(new Proxy(address)));
    const ports = await Promise.all(proxies.map((proxy) => proxy.listen()));
    const client = keep(new InboxClient(ports.map((port) => `localhost:${port}`)));
    // Until all connections are there, the first one has all calls.
    const end = Date.now() + 10_000;
    let bytes: number[];
    do {
      for (const proxy of proxies) proxy.bytes = 0;
      for (let i = 0; i < 40; i += 1) await client.get(emailInbox);
      bytes = proxies.map((proxy) => proxy.bytes);
    } while (Math.min(...bytes) <= Math.max(...bytes) / 2 && Date.now() < end);
    const least = Math.min(...bytes) / Math.max(...bytes);
    assert.ok(least > 0.5, `bytes to the replicas: ${bytes.join(", ")}`);
  },

  // The time of a resolver that does not answer is in the first call.
  "replicas/a-name-without-address-is-no-hindrance": async (servers, keep) => {
    const addresses = [servers.tls.address, "no-such-name.invalid:50051"];
    const { certificate, key } = servers.callers["dashboard"] ?? {};
    const tls = { ca: servers.tls.ca, serverName: "localhost", certificate, key };
    const client = keep(new InboxClient(addresses, { tls, timeoutMs: 30_000 }));
    for (let i = 0; i < 10; i += 1) await client.explain(emailInbox);
  },

  "address/plaintext-is-for-this-machine": () => {
    for (const address of ["192.0.2.1:50051", "inbox.example:50051", "[2001:db8::1]:50051"]) {
      const message = `${address} is no loopback address, so it needs TLS`;
      const error = { name: "TypeError", message };
      assert.throws(() => new InboxClient(address), error);
      assert.throws(() => new InboxClient(["127.0.0.1:1", address]), error);
      new InboxClient(address, { tls: {} }).close();
    }
    for (const address of ["unix:/nowhere", "127.0.0.2:1", "[::1]:1", "localhost:1"]) {
      new InboxClient(address, { token: "token" }).close();
    }
    new InboxClient(["127.0.0.2:1", "[::1]:1", "localhost:1"]).close();
  },

  "address/malformed": () => {
    for (const address of ["localhost", "", [], ["unix:/tmp/x", "localhost:1"], "a:1,b:2", "a:b"]) {
      assert.throws(() => new InboxClient(address), TypeError, JSON.stringify(address));
    }
  },

  "limit/largest-response": async (servers, keep) => {
    const client = keep(new InboxClient(servers.plain.address, { maxResponseBytes: 64 }));
    const error = await failure(client.get(emailInbox));
    assert.deepEqual([error.code, error.reason], [Code.RESOURCE_EXHAUSTED, undefined]);
  },

  "call/of-a-closed-client": async (servers) => {
    const client = new InboxClient(servers.plain.address);
    client.close();
    client.close();
    assert.equal((await failure(client.get(emailInbox))).code, Code.CANCELLED);
  },

  "process/exits-without-close": async (servers) => {
    const program = `
      import { InboxClient } from "@leadchat/inbox-client";
      const client = new InboxClient(process.argv[1]);
      const viewer = { principal: { case: "userId", value: 1n } };
      const { inbox } = await client.get({ accountId: 1n, inboxId: 3n, viewer });
      console.log(inbox.name);`;
    const arguments_ = ["--input-type=module", "--eval", program, servers.plain.address];
    const options = { timeout: 30_000, cwd: new URL(".", import.meta.url) };
    const { stdout } = await promisify(execFile)(process.execPath, arguments_, options);
    assert.equal(stdout, "Customer mail\n");
  },
};
