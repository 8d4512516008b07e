// Checks of tokens, certificates and secrets.
import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { Code, InboxClient, InboxDetail, Role } from "@leadchat/inbox-client";
import type { Check } from "./idioms.js";
import { failure, missingInbox } from "./idioms-errors.js";
import { Proxy } from "./proxy.js";
import { callerClient, readToken, viewerToken, type Servers } from "./servers.js";

const emailInbox = { ...missingInbox, inboxId: 3n };
const search = {
  viewer: { principal: { case: "service", value: {} } },
  detail: InboxDetail.BASIC,
  key: { case: "phoneNumber", value: "+15555550112" },
} as const;

function files(servers: Servers, caller: string): { certificate: string; key: string } {
  const { certificate = "", key = "" } = servers.callers[caller] ?? {};
  return { certificate, key };
}

export const credentialChecks: Record<string, Check> = {
  "token/asked-for-each-call": async (servers, keep) => {
    let asked = 0;
    const token = async () => {
      asked += 1;
      return readToken(servers.callers["webhooks"]?.token ?? "");
    };
    const client = keep(callerClient(servers, "webhooks", { token }));
    for (let i = 0; i < 3; i += 1) await client.find(search);
    assert.equal(asked, 3);
  },

  "token/renewed": async (servers, keep) => {
    let token = "expired.or.bad";
    const client = keep(callerClient(servers, "webhooks", { token: () => token }));
    const error = await failure(client.find(search));
    assert.deepEqual([error.code, error.reason], [Code.UNAUTHENTICATED, "CREDENTIALS_INVALID"]);
    assert.deepEqual(error.metadata, { credential: "authorization" });
    token = readToken(servers.callers["webhooks"]?.token ?? "");
    await client.find(search);
  },

  "token/supplier-fails": async (servers, keep) => {
    const cause = new Error("no token today");
    const client = keep(callerClient(servers, "webhooks", { token: () => Promise.reject(cause) }));
    const error = await failure(client.find(search));
    assert.deepEqual([error.code, error.reason], [Code.UNAUTHENTICATED, undefined]);
    assert.equal(error.cause, cause);
  },

  "token/supplier-is-slow": async (servers, keep) => {
    const token = () => new Promise<string>(() => undefined);
    const client = keep(callerClient(servers, "webhooks", { token, timeoutMs: 300 }));
    const error = await failure(client.find(search));
    assert.equal(error.code, Code.DEADLINE_EXCEEDED);
  },

  "token/stripped-and-checked": async (servers, keep) => {
    let token = "";
    const client = keep(callerClient(servers, "webhooks", { token: () => token }));
    for (token of ["", " \n", "bad token", "bad\ntoken", "bad-tökén", "bad\0token"]) {
      const error = await failure(client.find(search));
      const ofViewer = await failure(client.find(search, { viewerToken: token }));
      assert.deepEqual([error.code, error.reason], [Code.UNAUTHENTICATED, undefined]);
      assert.deepEqual([ofViewer.code, ofViewer.reason], [Code.UNAUTHENTICATED, undefined]);
      assert.ok(error.cause instanceof TypeError);
      assert.ok(!`${error.message} ${error.cause.message}`.includes("bad"));
    }
    token = `\t ${readToken(servers.callers["webhooks"]?.token ?? "")} \r\n`;
    await client.find(search);
  },

  "token/over-plaintext-within-the-machine": async (servers, keep) => {
    for (const { address } of [servers.plain, servers.unix]) {
      let asked = 0;
      const count = () => `token-${(asked += 1)}`;
      const client = keep(new InboxClient(address, { token: count }));
      await client.get(emailInbox, { viewerToken: count });
      assert.equal(asked, 2);
    }
  },

  "viewer/per-call": async (servers, keep) => {
    const client = keep(callerClient(servers, "dashboard"));
    const roles = [];
    for (const user of ["1", "2"]) {
      const viewer = { principal: { case: "userId", value: BigInt(user) } } as const;
      const options = { viewerToken: () => viewerToken(servers, user) };
      roles.push((await client.get({ ...emailInbox, viewer }, options)).disclosedAs);
    }
    assert.deepEqual(roles, [Role.ADMINISTRATOR, Role.AGENT]);
  },

  "tls/renewed-certificate-in-its-file": async (servers, keep) => {
    const folder = mkdtempSync(join(tmpdir(), "leadchat-inbox-client-"));
    const replace = (name: string, from: string) => {
      copyFileSync(from, join(folder, "new"));
      renameSync(join(folder, "new"), join(folder, name));
    };
    const old = files(servers, "dashboard");
    const renewed = files(servers, "sender");
    replace("certificate.pem", old.certificate);
    replace("key.pem", old.key);
    const proxy = keep(new Proxy(servers.tls.address));
    const tls = {
      ca: servers.tls.ca,
      certificate: join(folder, "certificate.pem"),
      key: join(folder, "key.pem"),
    };
    const client = keep(new InboxClient(`localhost:${await proxy.listen()}`, { tls }));
    try {
      assert.equal((await client.explain(emailInbox)).caller, "dashboard");
      // Half of the renewal: certificate and key do not match, and the old ones stay.
      replace("certificate.pem", renewed.certificate);
      proxy.cut();
      assert.equal((await client.explain(emailInbox)).caller, "dashboard");
      replace("key.pem", renewed.key);
      assert.equal((await client.explain(emailInbox)).caller, "dashboard");
      proxy.cut();
      // The new certificate is that of a caller that needs a token, too.
      const error = await failure(client.explain(emailInbox));
      assert.equal(error.reason, "CREDENTIALS_MISSING");
      assert.deepEqual(error.metadata, { credential: "authorization" });
    } finally {
      rmSync(folder, { recursive: true });
    }
  },

  "tls/pem-and-server-name": async (servers, keep) => {
    const { certificate, key } = files(servers, "dashboard");
    const tls = {
      ca: readFileSync(servers.tls.ca),
      certificate: readFileSync(certificate),
      key: readFileSync(key, "utf8"),
    };
    const address = servers.tls.address.replace("localhost", "127.0.0.1");
    const right = keep(new InboxClient(address, { tls: { ...tls, serverName: "localhost" } }));
    await right.explain(emailInbox);
    const several = [servers.tls.address, address];
    assert.throws(() => new InboxClient(several, { tls }), /serverName/);
    const listed = keep(new InboxClient(several, { tls: { ...tls, serverName: "localhost" } }));
    for (let i = 0; i < 4; i += 1) await listed.explain(emailInbox);
    const same = keep(new InboxClient([servers.tls.address, servers.tls.address], { tls }));
    await same.explain(emailInbox);
    const options = {
      tls: { ...tls, serverName: "other.example" },
      channelOptions: { "grpc.enable_retries": 0 },
    };
    for (const target of [address, several]) {
      const wrong = keep(new InboxClient(target, options));
      const error = await failure(wrong.explain(emailInbox));
      assert.deepEqual([error.code, error.reason], [Code.UNAVAILABLE, undefined]);
    }
  },

  "tls/missing-file-fails-at-once": (servers) => {
    const tls = { ca: `${servers.tls.ca}.missing` };
    assert.throws(() => new InboxClient(servers.tls.address, { tls }), /ENOENT/);
  },

  "secrets/are-not-shown": async (servers, keep) => {
    const token = "very-secret-token";
    const { certificate, key } = files(servers, "dashboard");
    const keyText = readFileSync(key, "utf8");
    const tls = { ca: servers.tls.ca, certificate, key: keyText };
    const client = keep(new InboxClient(servers.tls.address, { tls, token }));
    const errors = [
      await failure(client.get(emailInbox)),
      await failure(client.get(emailInbox, { viewerToken: `${token} with a space` })),
      await failure(client.get(emailInbox, { viewerToken: () => `${token}\nx` })),
      await failure(client.get(emailInbox, { metadata: { "x-request-id": `${token}\n` } })),
    ];
    const shown = [client, client.grpc, ...errors]
      .map((value) => inspect(value, { depth: Infinity, showHidden: true }))
      .concat(String(client), JSON.stringify(client), errors.map(String).join("\n"));
    const line = keyText.split("\n")[1] ?? "";
    assert.ok(line.length > 20);
    for (const text of shown) {
      assert.ok(!text.includes(token), "a token is shown");
      assert.ok(!text.includes(line), "a key is shown");
    }
  },
};
