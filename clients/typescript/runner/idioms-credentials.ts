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
  "token/asked-for-each-call": async (servers) => {
    let asked = 0;
    const client = callerClient(servers, "webhooks", {
      token: async () => {
        asked += 1;
        return readToken(servers.callers["webhooks"]?.token ?? "");
      },
    });
    for (let i = 0; i < 3; i += 1) await client.find(search);
    client.close();
    assert.equal(asked, 3);
  },

  "token/renewed": async (servers) => {
    let token = "expired.or.bad";
    const client = callerClient(servers, "webhooks", { token: () => token });
    const error = await failure(client.find(search));
    assert.deepEqual([error.code, error.reason], [Code.UNAUTHENTICATED, "CREDENTIALS_INVALID"]);
    assert.deepEqual(error.metadata, { credential: "authorization" });
    token = readToken(servers.callers["webhooks"]?.token ?? "");
    await client.find(search);
    client.close();
  },

  "token/supplier-fails": async (servers) => {
    const cause = new Error("no token today");
    const client = callerClient(servers, "webhooks", { token: () => Promise.reject(cause) });
    const error = await failure(client.find(search));
    client.close();
    assert.deepEqual([error.code, error.reason], [Code.UNAUTHENTICATED, undefined]);
    assert.equal(error.cause, cause);
  },

  "token/supplier-is-slow": async (servers) => {
    const token = () => new Promise<string>(() => undefined);
    const client = callerClient(servers, "webhooks", { token, timeoutMs: 300 });
    const error = await failure(client.find(search));
    client.close();
    assert.equal(error.code, Code.DEADLINE_EXCEEDED);
  },

  "token/only-over-safe-connections": async () => {
    const token = "secret-token";
    assert.throws(() => new InboxClient("inbox.internal:50051", { token }), TypeError);
    assert.throws(() => new InboxClient(["127.0.0.1:1", "10.0.0.1:1"], { token }), TypeError);
    for (const address of ["unix:/nowhere", "127.0.0.1:1", "[::1]:1", "localhost:1"]) {
      new InboxClient(address, { token }).close();
    }
    const client = new InboxClient("inbox.internal:50051");
    const error = await failure(client.get(emailInbox, { viewerToken: token }));
    client.close();
    assert.equal(error.code, Code.UNAUTHENTICATED);
    assert.match(error.message, /over TLS/);
  },

  "viewer/per-call": async (servers) => {
    const client = callerClient(servers, "dashboard");
    const roles = [];
    for (const user of ["1", "2"]) {
      const viewer = { principal: { case: "userId", value: BigInt(user) } } as const;
      const options = { viewerToken: () => viewerToken(servers, user) };
      roles.push((await client.get({ ...emailInbox, viewer }, options)).disclosedAs);
    }
    client.close();
    assert.deepEqual(roles, [Role.ADMINISTRATOR, Role.AGENT]);
  },

  "tls/renewed-certificate-in-its-file": async (servers) => {
    const folder = mkdtempSync(join(tmpdir(), "leadchat-inbox-client-"));
    const replace = (name: string, from: string) => {
      copyFileSync(from, join(folder, "new"));
      renameSync(join(folder, "new"), join(folder, name));
    };
    const old = files(servers, "dashboard");
    const renewed = files(servers, "sender");
    replace("certificate.pem", old.certificate);
    replace("key.pem", old.key);
    const proxy = new Proxy(servers.tls.address);
    const client = new InboxClient(`localhost:${await proxy.listen()}`, {
      tls: {
        ca: servers.tls.ca,
        certificate: join(folder, "certificate.pem"),
        key: join(folder, "key.pem"),
      },
    });
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
      client.close();
      proxy.close();
      rmSync(folder, { recursive: true });
    }
  },

  "tls/pem-and-server-name": async (servers) => {
    const { certificate, key } = files(servers, "dashboard");
    const tls = {
      ca: readFileSync(servers.tls.ca),
      certificate: readFileSync(certificate),
      key: readFileSync(key, "utf8"),
    };
    const address = servers.tls.address.replace("localhost", "127.0.0.1");
    const right = new InboxClient(address, { tls: { ...tls, serverName: "localhost" } });
    await right.explain(emailInbox);
    right.close();
    const listed = new InboxClient([servers.tls.address, address], { tls });
    for (let i = 0; i < 4; i += 1) await listed.explain(emailInbox);
    listed.close();
    const wrong = new InboxClient(address, {
      tls: { ...tls, serverName: "other.example" },
      channelOptions: { "grpc.enable_retries": 0 },
    });
    const error = await failure(wrong.explain(emailInbox));
    wrong.close();
    assert.deepEqual([error.code, error.reason], [Code.UNAVAILABLE, undefined]);
  },

  "tls/missing-file-fails-at-once": (servers) => {
    const tls = { ca: `${servers.tls.ca}.missing` };
    assert.throws(() => new InboxClient(servers.tls.address, { tls }), /ENOENT/);
  },

  "secrets/are-not-shown": async (servers) => {
    const token = "very-secret-token";
    const { certificate, key } = files(servers, "dashboard");
    const keyText = readFileSync(key, "utf8");
    const client = new InboxClient(servers.tls.address, {
      tls: { ca: servers.tls.ca, certificate, key: keyText },
      token,
    });
    const errors = [
      await failure(client.get(emailInbox)),
      await failure(client.get(emailInbox, { viewerToken: `${token} with a space` })),
      await failure(client.get(emailInbox, { viewerToken: () => `${token}\n` })),
      await failure(client.get(emailInbox, { metadata: { "x-request-id": `${token}\n` } })),
    ];
    const shown = [client, client.grpc, ...errors]
      .map((value) => inspect(value, { depth: Infinity, showHidden: true }))
      .concat(String(client), JSON.stringify(client), errors.map(String).join("\n"));
    client.close();
    const line = keyText.split("\n")[1] ?? "";
    assert.ok(line.length > 20);
    for (const text of shown) {
      assert.ok(!text.includes(token), "a token is shown");
      assert.ok(!text.includes(line), "a key is shown");
    }
  },
};
