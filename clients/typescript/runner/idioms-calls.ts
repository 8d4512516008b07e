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
  "call/oneof-enums-and-bigints": async (servers) => {
    const client = new InboxClient(servers.plain.address);
    const { inbox, disclosedAs } = await client.get(emailInbox);
    client.close();
    assert.ok(inbox);
    const id: bigint = inbox.id;
    assert.equal(id, 3n);
    assert.equal(inbox.channelKind, ChannelKind.EMAIL);
    assert.equal(disclosedAs, Role.ADMINISTRATOR);
    assert.equal(addressOf(inbox), "hello@paperlantern.example");
  },

  "call/any-generated-method": async (servers) => {
    const client = new InboxClient(servers.unix.address);
    const answer = await client.call(InboxService.method.explainAccess, emailInbox);
    assert.equal(answer.permitted, true);
    assert.match(client.grpc.getChannel().getTarget(), /^unix:/);
    client.close();
  },

  "pages/stop-early": async (servers) => {
    const client = new InboxClient(servers.plain.address);
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
    client.close();
    assert.deepEqual([seen, pages], [[3n, 4n, 5n], 2]);
    assert.deepEqual(await iterator.next(), { value: undefined, done: true });
    assert.equal(request.pageToken, "");
  },

  "deadline/default-is-five-seconds": async () => {
    const silent = new Proxy();
    const client = new InboxClient(`127.0.0.1:${await silent.listen()}`);
    const begin = Date.now();
    const error = await failure(client.get(emailInbox));
    const elapsed = Date.now() - begin;
    client.close();
    silent.close();
    assert.equal(error.code, Code.DEADLINE_EXCEEDED);
    assert.ok(elapsed > 4900 && elapsed < 7000, `after ${elapsed} ms`);
  },

  "deadline/of-the-client-and-of-the-call": async () => {
    const silent = new Proxy();
    const client = new InboxClient(`127.0.0.1:${await silent.listen()}`, { timeoutMs: 200 });
    const begin = Date.now();
    const error = await failure(client.get(emailInbox));
    assert.equal(error.code, Code.DEADLINE_EXCEEDED);
    await failure(client.get(emailInbox, { timeoutMs: 100 }));
    assert.ok(Date.now() - begin < 2000);
    client.close();
    silent.close();
  },

  "call/cancelled-by-a-signal": async () => {
    const silent = new Proxy();
    const client = new InboxClient(`127.0.0.1:${await silent.listen()}`);
    const controller = new AbortController();
    const call = failure(client.get(emailInbox, { signal: controller.signal }));
    setTimeout(() => controller.abort("typed on"), 50);
    const error = await call;
    assert.deepEqual([error.code, error.cause], [Code.CANCELLED, "typed on"]);
    const late = await failure(client.get(emailInbox, { signal: controller.signal }));
    assert.equal(late.code, Code.CANCELLED);
    client.close();
    silent.close();
  },

  "retry/until-the-server-listens": async (servers) => {
    const first = new Proxy();
    const port = await first.listen();
    first.close();
    const client = new InboxClient(`127.0.0.1:${port}`);
    const call = client.get(emailInbox);
    const proxy = new Proxy(servers.plain.address);
    setTimeout(() => void proxy.listen(port), 300);
    const answer = await call;
    client.close();
    proxy.close();
    assert.equal(answer.inbox?.id, 3n);
  },

  "replicas/round-robin-over-names": async (servers) => {
    const proxies = servers.replicas.map((address) => new Proxy(address));
    const ports = await Promise.all(proxies.map((proxy) => proxy.listen()));
    const client = new InboxClient(ports.map((port) => `localhost:${port}`));
    for (let i = 0; i < 40; i += 1) await client.get(emailInbox);
    client.close();
    const bytes = proxies.map((proxy) => proxy.bytes);
    for (const proxy of proxies) proxy.close();
    const least = Math.min(...bytes) / Math.max(...bytes);
    assert.ok(least > 0.5, `bytes to the replicas: ${bytes.join(", ")}`);
  },

  "replicas/a-name-without-address-is-no-hindrance": async (servers) => {
    const client = new InboxClient([...servers.replicas, "no-such-name.invalid:50051"]);
    for (let i = 0; i < 10; i += 1) await client.get(emailInbox);
    client.close();
  },

  "address/malformed": () => {
    for (const address of ["localhost", "", [], ["unix:/tmp/x", "localhost:1"], "a:1,b:2", "a:b"]) {
      assert.throws(() => new InboxClient(address), TypeError, JSON.stringify(address));
    }
  },

  "limit/largest-response": async (servers) => {
    const client = new InboxClient(servers.plain.address, { maxResponseBytes: 64 });
    const error = await failure(client.get(emailInbox));
    client.close();
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
    const options = { timeout: 10000, cwd: new URL(".", import.meta.url) };
    const { stdout } = await promisify(execFile)(process.execPath, arguments_, options);
    assert.equal(stdout, "Customer mail\n");
  },
};
