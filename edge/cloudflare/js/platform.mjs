// What the Wasm module calls. One crossing each: a promise's end comes back through `settle`, `bytes` or `fail`, with the number
// of the operation that waits for it. No rule of caching lives here.
import text from "./terrace.toml";
import { bytes, fail, go_on, settle } from "./terrace.js";

const ends = (promise, operation) =>
  promise.then(
    (value) => settle(operation, value),
    (error) => fail(operation, String(error?.message ?? error)),
  );

// Headers as lines: a name, its value, the next name.
const lines = (headers) => {
  let text = "";
  for (const [name, value] of headers) text += `${name}\n${value}\n`;
  return text;
};

const pairs = (head) => {
  const words = head.split("\n");
  const list = [];
  for (let i = 1; i < words.length; i += 2) list.push([words[i - 1], words[i]]);
  return list;
};

export const configuration = () => text;

export const variable = (call, name) => {
  const value = call.env[name];
  return typeof value === "string" ? value : undefined;
};

// Answers the call. Content is copied, since the module's memory changes; a stream goes out as it is, and undecoded.
export const respond = (call, status, head, content) =>
  call.resolve(new Response(content?.slice(), { status, headers: pairs(head), encodeBody: "manual" }));

export const respondStream = (call, status, head, stream) =>
  call.resolve(new Response(stream, { status, headers: pairs(head), encodeBody: "manual" }));

// Ends a call that wants no answer.
export const end = (call) => call.resolve();

export const kvGet = (call, key, operation) =>
  call.env.L1.get(key, "arrayBuffer").then(
    (value) => (value === null ? settle(operation, null) : bytes(operation, new Uint8Array(value))),
    (error) => fail(operation, String(error?.message ?? error)),
  );

export const kvPut = (call, key, value, expirationTtl, operation) =>
  ends(call.env.L1.put(key, value.slice(), { expirationTtl }), operation);

export const kvDelete = (call, key, operation) => ends(call.env.L1.delete(key), operation);

// Rows as arrays of values.
export const d1Query = (call, statement, parameters, operation) =>
  ends(call.env.DB.prepare(statement).bind(...parameters).raw(), operation);

// The statements as one transaction; the last one's rows.
export const d1Batch = (call, statements, operation) =>
  ends(
    call.env.DB.batch(statements.map(([statement, parameters]) => call.env.DB.prepare(statement).bind(...parameters))).then(
      (results) => results.at(-1).results.map((row) => Object.values(row)),
    ),
    operation,
  );

// One exchange with the origin: no redirect is followed, nothing is decoded, and no cache of the platform's is asked.
export const fetchOrigin = (method, url, head, body, operation) => {
  const controller = new AbortController();
  const init = { method, headers: pairs(head), body, redirect: "manual", encodeResponseBody: "manual", cf: { cacheTtl: -1 } };
  ends(
    fetch(url, { ...init, signal: controller.signal }).then((response) => ({
      status: response.status,
      head: lines(response.headers),
      body: response.body,
    })),
    operation,
  );
  return controller;
};
export const abort = (controller) => controller.abort();

export const content = (call) => call.request.body;

export const tee = (stream) => stream.tee();

// Bytes read of a copy at once.
const PIECE = 64 << 10;

export const reader = (stream) => stream.getReader({ mode: "byob" });

// The next piece; `null` at the end.
export const read = (reader, operation) =>
  reader.readAtLeast(PIECE, new Uint8Array(PIECE)).then(
    ({ done, value }) => (done && !value?.length ? settle(operation, null) : bytes(operation, value)),
    (error) => fail(operation, String(error?.message ?? error)),
  );

// A stream that nobody reads any more; what it says of its end is of no use.
export const cancel = (stream) => {
  stream.cancel().catch(() => {});
};

export const timer = (milliseconds, operation) => setTimeout(settle, milliseconds, operation, null);
export const clear = (timer) => clearTimeout(timer);

// A promise that the platform waits for, and the function that ends it.
export const waitUntil = (call) => {
  let done;
  call.ctx.waitUntil(new Promise((resolve) => (done = resolve)));
  return done;
};
export const finish = (done) => done();

export const later = () => queueMicrotask(go_on);
