// Serves an uploaded Worker on the real workerd: what wrangler.toml says, with the platform's stores as miniflare simulates them.
// Says where it listens in one line; ends when its stdin does, so that it never outlives who started it.
//
// Requests come on a socket of the Worker's own and leave by workerd's own network. What `wrangler dev` puts around a Worker (two
// proxies before it, Node's fetch behind it) encodes content, rewrites fields and decodes what the origin sends.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Miniflare, convertV4MiniflareOptions } from "miniflare";
import { unstable_getMiniflareWorkerOptions } from "wrangler";

const TYPES = { js: "ESModule", mjs: "ESModule", wasm: "CompiledWasm", json: "Text" };

// { wrangler: the configuration, folder: the modules, main: the first of them, state: where the stores are, l1: the id of the KV
// namespace, variables: what outranks [vars] }
const options = JSON.parse(process.argv[2]);

const names = readdirSync(options.folder).filter((name) => name.split(".").pop() in TYPES);
names.sort((a, b) => Number(b === options.main) - Number(a === options.main));
const modules = names.map((name) => {
  const path = join(options.folder, name);
  const type = TYPES[name.split(".").pop()];
  return { type, path, contents: readFileSync(path, type === "CompiledWasm" ? undefined : "utf8") };
});

const { workerOptions } = unstable_getMiniflareWorkerOptions(options.wrangler);
delete workerOptions.modulesRules;
for (const [binding, namespace] of Object.entries(workerOptions.kvNamespaces)) {
  workerOptions.kvNamespaces[binding] = { ...namespace, id: `${options.l1}-${binding}` };
}
Object.assign(workerOptions.bindings ??= {}, options.variables);

const miniflare = new Miniflare(
  convertV4MiniflareOptions({
    ...workerOptions,
    modules,
    modulesRoot: options.folder,
    stripCfConnectingIp: false,
    unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }],
    resourcePersistencePath: options.state,
    cf: false,
    telemetry: { enabled: false },
    handleStructuredLogs: ({ level, message }) => console.error(`${level}: ${message}`),
  }),
);
const { host } = await miniflare.unsafeGetDirectURL();
console.log(`listening on ${host}`);

const end = async () => {
  await miniflare.dispose();
  process.exit(0);
};
process.on("SIGTERM", end);
process.stdin.resume().on("end", end);
