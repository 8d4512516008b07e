// The mode `idioms`: the API of this language, which JSON cases cannot see.
import { errorChecks } from "./idioms-errors.js";
import { callChecks } from "./idioms-calls.js";
import { credentialChecks } from "./idioms-credentials.js";
import { resumptionChecks } from "./idioms-resumption.js";
import { watchChecks } from "./idioms-watch.js";
import { print, type Servers } from "./servers.js";

/** Returns what a check has opened, and closes it after the check. */
export type Keep = <T extends { close(): void }>(opened: T) => T;

/** A check ends in an exception if it fails. */
export type Check = (servers: Servers, keep: Keep) => void | Promise<void>;

export async function runIdioms(servers: Servers): Promise<void> {
  const checks = {
    ...errorChecks,
    ...callChecks,
    ...credentialChecks,
    ...watchChecks,
    ...resumptionChecks,
  };
  for (const [name, check] of Object.entries(checks)) {
    const opened: { close(): void }[] = [];
    try {
      await check(servers, (each) => {
        opened.push(each);
        return each;
      });
      print({ case: name, endpoint: "-", ok: true });
    } catch (error) {
      const problem = (error instanceof Error ? error.message : String(error)).slice(0, 500);
      print({ case: name, endpoint: "-", ok: false, problem });
    } finally {
      for (const each of opened.reverse()) each.close();
    }
  }
}
