// Checks of how a watch goes on, with a server that ends its calls.
import assert from "node:assert/strict";
import { Code, InboxClient, type Watch } from "@leadchat/inbox-client";
import type { Check, Keep } from "./idioms.js";
import { failure } from "./idioms-errors.js";
import { batch, request, words } from "./idioms-watch.js";
import { Script, failed, synced, upserted, type Step } from "./script.js";

async function watching(keep: Keep, ...steps: Step[]): Promise<[Watch, Script]> {
  const script = keep(new Script(...steps));
  const client = keep(new InboxClient(await script.listen()));
  return [keep(client.watch(request)), script];
}

export const resumptionChecks: Record<string, Check> = {
  "watch/goes-on-after-the-deadline-of-the-server": async (_, keep) => {
    const error = failed(Code.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED");
    const [watch] = await watching(keep, { error }, { events: [synced] });
    assert.deepEqual(words(await batch(watch)), ["synced"]);
  },

  "watch/names-none-after-a-request-too-large": async (_, keep) => {
    const tooLarge = failed(Code.RESOURCE_EXHAUSTED, "REQUEST_TOO_LARGE");
    const [watch, script] = await watching(
      keep,
      {
        events: [upserted(1n, "a"), upserted(2n, "a"), synced],
        error: failed(Code.UNAVAILABLE, "RECONNECT"),
      },
      { error: tooLarge },
      {
        events: [upserted(1n, "a"), upserted(3n, "a"), synced],
        error: failed(Code.UNAVAILABLE, "RECONNECT"),
      },
      { error: tooLarge },
    );
    assert.deepEqual(words(await batch(watch)), ["+1", "+2", "synced"]);
    assert.deepEqual(words(await batch(watch)), ["+3", "-2", "synced"]);
    assert.equal((await failure(watch.next())).reason, "REQUEST_TOO_LARGE");
    assert.deepEqual(script.known, [0, 2, 0, 0]);
  },

  "watch/waits-for-a-new-certificate": async (_, keep) => {
    const error = failed(Code.UNAUTHENTICATED, "CREDENTIALS_EXPIRED", 0, "certificate");
    const [watch, script] = await watching(keep, { error }, { error }, { events: [synced] });
    assert.deepEqual(words(await batch(watch)), ["synced"]);
    const [first = 0, second = 0, third = 0] = script.times;
    assert.ok(second - first > 1900 && third - second > 1900, String(script.times));
  },

  "watch/waits-unless-it-may-go-on-at-once": async (_, keep) => {
    const reconnect = failed(Code.UNAVAILABLE, "RECONNECT", 1000);
    const [watch, script] = await watching(
      keep,
      { error: reconnect },
      { error: failed(Code.UNAVAILABLE, "SHUTTING_DOWN", 1000) },
      { events: [synced], error: reconnect },
      { error: failed(Code.UNAUTHENTICATED, "CREDENTIALS_EXPIRED", 1000) },
      { events: [synced] },
    );
    await batch(watch);
    await batch(watch);
    const waits = script.times.slice(1).map((time, i) => time - (script.times[i] ?? 0));
    assert.deepEqual(waits.map((ms) => ms > 950), [false, true, false, true]);
  },
};
