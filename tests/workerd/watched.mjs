// The Worker with its stores watched: every call to KV and D1 is noted, and may be made to fail as the platform's own would.
// A test speaks with this module by POST of JSON to the host `stores.test`; everything else is the Worker's.
import worker from "./product.js";

const CONTROL = "stores.test";

let calls = [];
let running = 0;
// What is wrong with each store: { kind, value } as a test set it.
let faults = { kv: { kind: "none" }, d1: { kind: "none" } };
// Of a KV that lags: what readers still see.
let seen = new Map();

const never = () => new Promise(() => {});
const sizeOf = (value) => value?.byteLength ?? value?.length ?? 0;
// A native method wants its own object, not the one that stands before it.
const passed = (target, name) => (typeof target[name] === "function" ? target[name].bind(target) : target[name]);

function watchedKv(kv) {
  const reads = new Set(["get", "getWithMetadata"]);
  const call = async (name, args) => {
    const { kind } = faults.kv;
    calls.push({ store: "kv", op: name, key: args[0], size: name === "put" ? sizeOf(args[1]) : 0, options: args[name === "put" ? 2 : 1] });
    if (kind === "hang") return never();
    if (kind === "fail") throw new Error(`KV ${name.toUpperCase()} failed: 500 Internal Server Error`);
    if (kind === "refuse" && !reads.has(name)) throw new Error(`KV ${name.toUpperCase()} failed: 429 Too Many Requests`);
    if (kind === "refuse-all") throw new Error(`KV ${name.toUpperCase()} failed: 429 Too Many Requests`);
    if (kind === "lag" && name === "get") {
      const bytes = seen.get(args[0]) ?? null;
      const type = typeof args[1] === "string" ? args[1] : args[1]?.type;
      if (bytes === null || type === "arrayBuffer") return bytes?.slice(0) ?? null;
      return type === "stream" ? new Response(bytes).body : new TextDecoder().decode(bytes);
    }
    return kv[name](...args);
  };
  return new Proxy(kv, {
    get: (target, name) =>
      ["get", "getWithMetadata", "put", "delete", "list"].includes(name) ? (...args) => call(name, args) : passed(target, name),
  });
}

function watchedD1(db) {
  // The statements behind those that the Worker holds.
  const real = new WeakMap();
  const run = async (op, statements, work) => {
    const { kind } = faults.d1;
    const note = { store: "d1", op, statements: statements.map(({ sql, size }) => ({ sql, size })) };
    calls.push(note);
    const writes = statements.some(({ sql }) => !/^\s*SELECT/i.test(sql));
    if (kind === "hang") return never();
    if (kind === "fail") throw new Error("D1_ERROR: Network connection lost.");
    if (kind === "overloaded") throw new Error("D1_ERROR: D1 DB is overloaded. Requests queued for too long.");
    const stores = kind === "full-for-stores" && statements.some(({ sql }) => /^\s*INSERT INTO entries|^\s*INSERT OR REPLACE INTO entries/i.test(sql));
    if ((kind === "full" && writes) || stores) throw new Error("D1_ERROR: Exceeded maximum DB size: SQLITE_FULL");
    const result = await work();
    const results = Array.isArray(result) ? result : [result];
    note.written = results.reduce((sum, { meta }) => sum + (meta?.rows_written ?? 0), 0);
    note.read = results.reduce((sum, { meta }) => sum + (meta?.rows_read ?? 0), 0);
    return result;
  };
  const statement = (target, sql, size) => {
    const proxy = new Proxy(target, {
      get: (_, name) => {
        if (name === "bind")
          return (...values) => statement(target.bind(...values), sql, values.reduce((sum, value) => sum + sizeOf(value), 0));
        if (["all", "run", "first", "raw"].includes(name))
          return (...args) => run(name, [{ sql, size }], () => target[name](...args));
        return passed(target, name);
      },
    });
    real.set(proxy, { target, sql, size });
    return proxy;
  };
  return new Proxy(db, {
    get: (target, name) => {
      if (name === "prepare") return (sql) => statement(target.prepare(sql), sql, 0);
      if (name === "batch")
        return (proxies) => {
          const statements = proxies.map((proxy) => real.get(proxy));
          return run("batch", statements, () => target.batch(statements.map((one) => one.target)));
        };
      return passed(target, name);
    },
  });
}

function watched(env, ctx) {
  const stores = { ...env, L1: watchedKv(env.L1), DB: watchedD1(env.DB) };
  const waitUntil = (work) => {
    running += 1;
    ctx.waitUntil(Promise.resolve(work).finally(() => (running -= 1)));
  };
  return [stores, { waitUntil, passThroughOnException() {}, props: ctx.props ?? {} }];
}

const commands = {
  // What was called since the last time, and how much work is still under way.
  calls: async () => {
    const done = running === 0;
    const taken = calls;
    if (done) calls = [];
    return { done, calls: taken };
  },
  fault: async ({ store, kind }, env) => {
    if (kind === "lag") {
      seen = new Map();
      for (const { name } of (await env.L1.list()).keys) seen.set(name, await env.L1.get(name, "arrayBuffer"));
    }
    faults[store] = { kind };
  },
  kv: async (_, env) =>
    Promise.all(
      (await env.L1.list()).keys.map(async ({ name, expiration, metadata }) => ({
        key: name,
        expiration,
        metadata,
        value: Array.from(new Uint8Array(await env.L1.get(name, "arrayBuffer"))),
      })),
    ),
  kvPut: ({ key, value }, env) => env.L1.put(key, new Uint8Array(value)),
  kvDelete: ({ key }, env) => env.L1.delete(key),
  d1: async ({ sql }, env) => (await env.DB.prepare(sql).all()).results,
  scheduled: async (_, env, ctx) => {
    const [stores, context] = watched(env, ctx);
    await worker.scheduled({ cron: "* * * * *", scheduledTime: Date.now(), type: "scheduled" }, stores, context);
  },
};

export default {
  async fetch(request, env, ctx) {
    if (new URL(request.url).host === CONTROL) {
      const { name, ...options } = await request.json();
      try {
        return Response.json({ ok: (await commands[name](options, env, ctx)) ?? null });
      } catch (error) {
        return Response.json({ error: `${name}: ${error.stack}` }, { status: 500 });
      }
    }
    running += 1;
    try {
      return await worker.fetch(request, ...watched(env, ctx));
    } finally {
      running -= 1;
    }
  },
};
