// The mode `cases`: the cases of conformance.json, on each of their endpoints.
import { readFileSync } from "node:fs";
import {
  fromBinary,
  fromJson,
  toJson,
  type DescMessage,
  type DescMethodUnary,
  type JsonObject,
  type JsonValue,
  type MessageShape,
} from "@bufbuild/protobuf";
import * as api from "@leadchat/inbox-client";
import { Code, InboxClient, InboxError, InboxService } from "@leadchat/inbox-client";
import { callerClient, print, viewerToken, type Servers } from "./servers.js";

interface Case {
  name: string;
  caller?: string;
  viewer_token?: string;
  method?: string;
  pages?: boolean;
  request?: JsonValue;
  request_metadata?: Record<string, string>;
  timeout_ms?: number;
  message?: string;
  bytes?: string;
  status?: { code: number; message: string; details: string };
  response?: JsonValue;
  events?: JsonValue[];
  response_metadata?: Record<string, string>;
  ids?: string[];
  error?: JsonObject;
}

export async function runCases(servers: Servers, path: string): Promise<void> {
  const { cases } = JSON.parse(readFileSync(path, "utf8")) as { cases: Case[] };
  const clients = new Map<string, InboxClient>();
  const client = (key: string, make: () => InboxClient) => {
    const made = clients.get(key) ?? make();
    clients.set(key, made);
    return made;
  };
  for (const c of cases) {
    const { caller } = c;
    if (c.message !== undefined || c.status !== undefined) {
      await report(c, "-", async () => checkOffline(c));
    } else if (caller !== undefined) {
      const make = () => callerClient(servers, caller);
      await report(c, "tls", () => checkCall(c, client(caller, make), servers));
    } else {
      for (const endpoint of ["plain", "unix"] as const) {
        const make = () => new InboxClient(servers[endpoint].address);
        await report(c, endpoint, () => checkCall(c, client(`- ${endpoint}`, make), servers));
      }
    }
  }
  for (const made of clients.values()) made.close();
}

async function report(c: Case, endpoint: string, run: () => Promise<string | undefined>) {
  const problem = await run().catch((error: unknown) => `unexpected error: ${String(error)}`);
  const outcome = problem === undefined ? { ok: true } : { ok: false, problem };
  print({ case: c.name, endpoint, ...outcome });
}

function checkOffline(c: Case): string | undefined {
  if (c.status !== undefined) {
    const { code, message, details } = c.status;
    return checkError(c, InboxError.fromStatus(code, message, Buffer.from(details, "base64")));
  }
  const schema = schemaOf(c.message ?? "");
  const json = toJson(schema, fromBinary(schema, Buffer.from(c.bytes ?? "", "base64")));
  return difference(c.response ?? null, json, "response");
}

async function checkCall(c: Case, client: InboxClient, servers: Servers) {
  const headers = new Map<string, string>();
  const options: api.CallOptions = {
    timeoutMs: c.timeout_ms,
    viewerToken: c.viewer_token === undefined ? undefined : viewerToken(servers, c.viewer_token),
    metadata: c.request_metadata,
    onMetadata: (metadata) => {
      for (const [name, value] of Object.entries(metadata.getMap())) {
        headers.set(name, value.toString());
      }
    },
  };
  let json: JsonValue;
  try {
    json = c.pages === true ? await ids(c, client, options) : await call(c, client, options);
  } catch (error) {
    if (error instanceof InboxError && c.error !== undefined) return checkError(c, error);
    return `expected an answer, got ${String(error)}`;
  }
  if (c.error !== undefined) return `expected an error, got ${short(json)}`;
  for (const [name, value] of Object.entries(c.response_metadata ?? {})) {
    const found = difference(value, headers.get(name) ?? null, name);
    if (found !== undefined) return found;
  }
  const expected = c.ids ?? c.events ?? c.response;
  return expected === undefined ? undefined : difference(expected, json, "response");
}

async function ids(c: Case, client: InboxClient, options: api.CallOptions): Promise<string[]> {
  const request = fromJson(api.ListInboxesRequestSchema, c.request ?? {});
  const found: string[] = [];
  for await (const inbox of client.inboxes(request, options)) found.push(inbox.id.toString());
  return found;
}

// The events up to the first `synced`.
async function events(c: Case, client: InboxClient, options: api.CallOptions) {
  const { watchInboxes } = InboxService.method;
  const request = fromJson(watchInboxes.input, c.request ?? {});
  const found: JsonValue[] = [];
  for await (const response of client.stream(watchInboxes, request, options)) {
    found.push(toJson(watchInboxes.output, response));
    if (response.event.case === "synced") break;
  }
  return found;
}

async function call(c: Case, client: InboxClient, options: api.CallOptions): Promise<JsonValue> {
  const json = c.request ?? {};
  const { method } = InboxService;
  const run = async <I extends DescMessage, O extends DescMessage>(
    { input, output }: DescMethodUnary<I, O>,
    send: (request: MessageShape<I>, options: api.CallOptions) => Promise<MessageShape<O>>,
  ) => toJson(output, await send.call(client, fromJson(input, json), options));
  switch (c.method) {
    case "GetInbox":
      return await run(method.getInbox, client.get);
    case "ListInboxes":
      return await run(method.listInboxes, client.list);
    case "BatchGetInboxes":
      return await run(method.batchGetInboxes, client.batch);
    case "FindInboxes":
      return await run(method.findInboxes, client.find);
    case "ExplainAccess":
      return await run(method.explainAccess, client.explain);
    case "WatchInboxes":
      return await events(c, client, options);
    default:
      throw new Error(`unknown method ${String(c.method)}`);
  }
}

function checkError(c: Case, error: InboxError): string | undefined {
  const all: JsonObject = {
    code: Code[error.code] ?? "",
    reason: error.reasonText,
    known: typeof error.reason === "string",
    metadata: { ...error.metadata },
    fields: error.fields.map(({ field }) => field),
    retry_delay_seconds: error.retryDelayMs === undefined ? null : error.retryDelayMs / 1000,
    request_id: error.requestId ?? "",
    message: error.description,
  };
  for (const [key, expected] of Object.entries(c.error ?? {})) {
    const found = difference(expected, all[key] ?? null, `error.${key}`);
    if (found !== undefined) return found;
  }
  return c.error === undefined ? "expected an answer, got an error" : undefined;
}

function schemaOf(name: string): DescMessage {
  const schema: unknown = Reflect.get(api, `${name}Schema`);
  if (schema === undefined) throw new Error(`unknown message ${name}`);
  return schema as DescMessage;
}

// The first difference, or undefined.
function difference(expected: JsonValue, got: JsonValue, path: string): string | undefined {
  if (expected === "…" && typeof got === "string" && got !== "") return undefined;
  if (Array.isArray(expected) && Array.isArray(got) && expected.length === got.length) {
    return first(expected.map((value, i) => difference(value, got[i] ?? null, `${path}[${i}]`)));
  }
  if (isObject(expected) && isObject(got)) {
    const keys = new Set([...Object.keys(expected), ...Object.keys(got)]);
    return first(
      [...keys].map((key) => {
        const [e, g] = [expected[key], got[key]];
        if (e !== undefined && g !== undefined) return difference(e, g, `${path}.${key}`);
        return `${path}.${key}: expected ${short(e)} got ${short(g)}`;
      }),
    );
  }
  return expected === got ? undefined : `${path}: expected ${short(expected)} got ${short(got)}`;
}

function first(problems: (string | undefined)[]): string | undefined {
  return problems.find((problem) => problem !== undefined);
}

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function short(value: JsonValue | undefined): string {
  return value === undefined ? "nothing" : JSON.stringify(value).slice(0, 200);
}
