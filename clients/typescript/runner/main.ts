// The conformance runner: main.js MODE SERVERS_FILE CASES_FILE.
import { runCases } from "./cases.js";
import { runIdioms } from "./idioms.js";
import { runReplicas } from "./replicas.js";
import { readServers } from "./servers.js";
import { runWatch } from "./watch.js";

const [mode, serversFile, casesFile] = process.argv.slice(2);
if (mode === undefined || serversFile === undefined || casesFile === undefined) {
  throw new Error("usage: main.js cases|replicas|idioms|watch SERVERS_FILE CASES_FILE");
}
const servers = readServers(serversFile);
switch (mode) {
  case "cases":
    await runCases(servers, casesFile);
    break;
  case "replicas":
    await runReplicas(servers);
    break;
  case "idioms":
    await runIdioms(servers);
    break;
  case "watch":
    await runWatch(servers);
    break;
  default:
    throw new Error(`unknown mode ${mode}`);
}
// A check that fails may leave connections open, which would keep the process alive.
process.stdout.write("", () => process.exit(0));
