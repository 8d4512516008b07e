// Checks of errors.
import assert from "node:assert/strict";
import { Code, InboxClient, InboxError, inboxError, type Reason } from "@leadchat/inbox-client";
import type { Check } from "./idioms.js";
import { Proxy } from "./proxy.js";

export const missingInbox = {
  accountId: 1n,
  inboxId: 99n,
  viewer: { principal: { case: "userId", value: 1n } },
} as const;

/** The InboxError that a call ends in. */
export async function failure(call: Promise<unknown>): Promise<InboxError> {
  const error: unknown = await call.then(
    () => new Error("the call did not fail"),
    (caught: unknown) => caught,
  );
  assert.ok(error instanceof InboxError, `no InboxError: ${String(error)}`);
  return error;
}

// The compiler knows all reasons: a mistake in a case would not compile.
function advice(reason: Reason | undefined): string {
  if (typeof reason === "object") return `unknown to this client: ${reason.other}`;
  switch (reason) {
    case "INBOX_NOT_FOUND":
      return "forget it";
    case "OVERLOADED":
    case "STORE_UNAVAILABLE":
      return "later";
    default:
      return "report it";
  }
}

// A google.rpc.Status with a BadRequest that cannot be decoded, and an ErrorInfo.
function status(domain: string, reason: string): Uint8Array {
  const text = (field: number, value: string | Uint8Array) => {
    const bytes = Buffer.from(value);
    return Buffer.concat([Buffer.from([(field << 3) | 2, bytes.length]), bytes]);
  };
  const detail = (type: string, value: Uint8Array) =>
    text(3, Buffer.concat([text(1, `type.googleapis.com/google.rpc.${type}`), text(2, value)]));
  const info = Buffer.concat([text(1, reason), text(2, domain)]);
  return Buffer.concat([detail("BadRequest", Buffer.from([255])), detail("ErrorInfo", info)]);
}

export const errorChecks: Record<string, Check> = {
  "error/is-an-error-with-all-parts": async (servers) => {
    const client = new InboxClient(servers.plain.address);
    const error = await failure(client.get(missingInbox));
    client.close();
    assert.ok(error instanceof Error);
    assert.equal(error.name, "InboxError");
    assert.equal(error.code, Code.NOT_FOUND);
    assert.equal(error.reason, "INBOX_NOT_FOUND");
    assert.equal(advice(error.reason), "forget it");
    assert.match(error.requestId ?? "", /./);
    assert.match(error.message, /no such inbox/);
    assert.deepEqual([error.fields, error.retryDelayMs, error.cause], [[], undefined, undefined]);
  },

  "error/other-reason": () => {
    const error = inboxError(9, "not yet", status("inbox.leadchat", "FROM_THE_FUTURE"));
    assert.deepEqual(error.reason, { other: "FROM_THE_FUTURE" });
    assert.equal(error.reasonText, "FROM_THE_FUTURE");
    assert.equal(advice(error.reason), "unknown to this client: FROM_THE_FUTURE");
    for (const text of ["UNSPECIFIED", "toString", "1", "__proto__"]) {
      const reason = inboxError(9, "", status("inbox.leadchat", text)).reason;
      assert.deepEqual(reason, { other: text });
    }
  },

  "error/no-reason": () => {
    assert.equal(inboxError(14, "refused").reason, undefined);
    assert.equal(inboxError(14, "refused", Buffer.from("not a status")).reason, undefined);
    const foreign = inboxError(14, "refused", status("proxy.example", "INBOX_NOT_FOUND"));
    assert.deepEqual([foreign.reason, foreign.reasonText], [undefined, ""]);
    assert.equal(inboxError(99, "odd").code, Code.UNKNOWN);
  },

  "error/of-the-library": async () => {
    const proxy = new Proxy();
    const port = await proxy.listen();
    proxy.close();
    const channelOptions = { "grpc.enable_retries": 0 };
    const client = new InboxClient(`127.0.0.1:${port}`, { channelOptions });
    const error = await failure(client.get(missingInbox));
    client.close();
    assert.deepEqual([error.code, error.reason], [Code.UNAVAILABLE, undefined]);
  },

  "error/malformed-request": async (servers) => {
    const client = new InboxClient(servers.plain.address);
    const viewer = missingInbox.viewer;
    const pageSize = 2 ** 40;
    const error = await failure(client.list({ accountId: 1n, viewer, pageSize }));
    client.close();
    assert.deepEqual([error.code, error.reason], [Code.INTERNAL, undefined]);
  },
};
