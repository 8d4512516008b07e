// The mode `idioms`: the API of this language, which JSON cases cannot see.
import { errorChecks } from "./idioms-errors.js";
import { callChecks } from "./idioms-calls.js";
import { credentialChecks } from "./idioms-credentials.js";
import { print, type Servers } from "./servers.js";

/** A check ends in an exception if it fails. */
export type Check = (servers: Servers) => void | Promise<void>;

export async function runIdioms(servers: Servers): Promise<void> {
  const checks = { ...errorChecks, ...callChecks, ...credentialChecks };
  for (const [name, check] of Object.entries(checks)) {
    try {
      await check(servers);
      print({ case: name, endpoint: "-", ok: true });
    } catch (error) {
      const problem = (error instanceof Error ? error.message : String(error)).slice(0, 500);
      print({ case: name, endpoint: "-", ok: false, problem });
    }
  }
}
