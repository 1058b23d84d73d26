// What the Wasm module calls. One crossing each: a promise's end comes back through `settle`, `bytes` or `fail`, with the number
// of the operation that waits for it. No rule of caching lives here.
import text from "./terrace.json";
import { bytes, fail, go_on, settle } from "./terrace.js";

const said = (error) => String(error?.message ?? error);

const ends = (promise, operation) =>
  promise.then(
    (value) => settle(operation, value),
    (error) => fail(operation, said(error)),
  );

// Fields as lines: a name, its value, the next name.
const listed = (headers) => {
  let text = "";
  headers.forEach((value, name) => (text += `${name}\n${value}\n`));
  return text;
};

// The same back, from the module's memory: as an object, which the platform takes faster, unless a name stands twice. Most of it is
// ASCII, for which a decoder costs more than all the rest of an answer.
const decoder = new TextDecoder();
const ascii = (bytes) => String.fromCharCode.apply(null, bytes);
const linesOf = (bytes, isAscii) => (isAscii && bytes.length < 8192 ? ascii(bytes) : decoder.decode(bytes)).split("\n");
const fields = (bytes, isAscii, once) => {
  const lines = linesOf(bytes, isAscii);
  if (!once) return pairs(lines);
  const headers = {};
  for (let i = 1; i < lines.length; i += 2) headers[lines[i - 1]] = lines[i];
  return headers;
};

const pairs = (lines) => {
  const list = [];
  for (let i = 1; i < lines.length; i += 2) list.push([lines[i - 1], lines[i]]);
  return list;
};

export const configuration = () => text;

export const variable = (call, name) => {
  const value = call.env[name];
  return typeof value === "string" ? value : undefined;
};

// What has gone out and may again, by number.
const heads = [];
export const keepHead = (number, head, isAscii) => {
  const headers = new Headers(fields(head, isAscii, true));
  heads[number] = headers.has("content-encoding") ? { status: 200, headers, encodeBody: "manual" } : { status: 200, headers };
};

// What is kept of a head, with what has changed.
const kept = (known, status, head, isAscii) => {
  const init = heads[known];
  if (head.length) {
    const lines = linesOf(head, isAscii);
    for (let i = 1; i < lines.length; i += 2) init.headers.set(lines[i - 1], lines[i]);
  }
  init.status = status;
  return init;
};

// Answers the call: with nothing, or with a stream, which goes out as it is and undecoded. The fields are those kept under `known`
// with these changed, or these alone where it is -1. Returns what was wrong, if anything.
export const respond = (call, status, known, head, isAscii, once, body) => {
  try {
    const init =
      known < 0 ? { status, headers: fields(head, isAscii, once), encodeBody: "manual" } : kept(known, status, head, isAscii);
    call.resolve(new Response(body, init));
  } catch (error) {
    return said(error);
  }
};

// With content of the module's, which is copied, since its memory changes.
export const respondCopy = (call, status, known, head, isAscii, once, content) =>
  respond(call, status, known, head, isAscii, once, content.slice());

// With a part of the value that KV gave last.
export const respondPart = (call, status, known, head, isAscii, once, start, length) =>
  respond(call, status, known, head, isAscii, once, new Uint8Array(call.value, start, length));

// The same under the very fields that are kept: what most hits are, so that no more crosses than that.
export const respondKnown = (call, status, known, start, length) => {
  try {
    const init = heads[known];
    init.status = status;
    call.resolve(new Response(new Uint8Array(call.value, start, length), init));
  } catch (error) {
    return said(error);
  }
};

// Ends a call that wants no answer.
export const end = (call) => call.resolve();

// A value is kept for the answer, unless nobody waits for it any more: the module speaks of the last one that it took.
const got = (call, value, operation) => {
  const before = call.value;
  call.value = value;
  if (!bytes(operation, new Uint8Array(value))) call.value = before;
};

// The key is ASCII, in the module's memory. What hits call catches its own errors: wasm-bindgen's way of it costs more.
export const kvGet = (call, key, operation) => {
  try {
    call.env.L1.get(ascii(key), "arrayBuffer").then(
      (value) => (value === null ? settle(operation, null) : got(call, value, operation)),
      (error) => fail(operation, said(error)),
    );
  } catch (error) {
    fail(operation, said(error));
  }
};

export const kvPut = (call, key, value, expirationTtl, operation) =>
  ends(call.env.L1.put(key, value.slice(), { expirationTtl }), operation);

export const kvDelete = (call, key, operation) => ends(call.env.L1.delete(key), operation);

// The last one's rows, as arrays of values, and how many rows all of them have read and written, which is what D1 bills.
const billed = (results) => {
  const sum = (rows) => results.reduce((sum, { meta }) => sum + (meta[rows] ?? 0), 0);
  return [results.at(-1).results.map((row) => Object.values(row)), sum("rows_read"), sum("rows_written")];
};

export const d1Query = (call, statement, parameters, operation) =>
  ends(call.env.DB.prepare(statement).bind(...parameters).all().then((result) => billed([result])), operation);

// The statements as one transaction.
export const d1Batch = (call, statements, operation) =>
  ends(
    call.env.DB.batch(statements.map(([statement, parameters]) => call.env.DB.prepare(statement).bind(...parameters))).then(billed),
    operation,
  );

// One exchange with the origin: no redirect is followed, nothing is decoded, and no cache of the platform's is asked.
export const fetchOrigin = (method, url, head, isAscii, once, body, operation) => {
  const controller = new AbortController();
  ends(
    fetch(url, {
      method,
      headers: fields(head, isAscii, once),
      body,
      redirect: "manual",
      encodeResponseBody: "manual",
      cf: { cacheTtl: -1 },
      signal: controller.signal,
    }).then((response) => ({
      status: response.status,
      head: listed(response.headers),
      body: response.body,
    })),
    operation,
  );
  return controller;
};
export const abort = (controller) => controller.abort();

// Content into a coding and back. The module is loaded when it is first needed: no hit in a stored form waits for it.
let zlib;
const coders = () => (zlib ??= import("node:zlib"));
const encoders = {
  br: ({ brotliCompressSync, constants }, content) =>
    brotliCompressSync(content, {
      params: {
        [constants.BROTLI_PARAM_QUALITY]: 5,
        [constants.BROTLI_PARAM_SIZE_HINT]: content.length,
      },
    }),
  zstd: ({ zstdCompressSync }, content) => zstdCompressSync(content),
  gzip: ({ gzipSync }, content) => gzipSync(content),
};
const decoders = {
  br: ({ brotliDecompressSync }) => brotliDecompressSync,
  zstd: ({ zstdDecompressSync }) => zstdDecompressSync,
  gzip: ({ gunzipSync }) => gunzipSync,
};

const codes = (work, operation) => coders().then(work).then((value) => bytes(operation, value), (error) => fail(operation, said(error)));

export const encode = (coding, content, operation) => {
  const copy = content.slice();
  codes((zlib) => encoders[coding](zlib, copy), operation);
};

// Never much more than `most` bytes: the module counts the pieces that it has made room for, and one that it might need.
const ROOM = 64 << 10;
export const decode = (coding, content, most, operation) => {
  const copy = content.slice();
  codes((zlib) => decoders[coding](zlib)(copy, { maxOutputLength: most + ROOM }), operation);
};

export const content = (call) => call.request.body;

export const tee = (stream) => stream.tee();

// The most bytes that are read of a copy at once.
const PIECE = 64 << 10;

export const reader = (stream) => stream.getReader({ mode: "byob" });

// The next piece; `null` at the end. Whatever has come: a branch of a `tee` that waits for more holds the other one back.
export const read = (reader, operation) =>
  reader.read(new Uint8Array(PIECE)).then(
    ({ done, value }) => (done && !value?.length ? settle(operation, null) : bytes(operation, value)),
    (error) => fail(operation, said(error)),
  );

// A stream that nobody reads any more; what it says of its end is of no use.
export const cancel = (stream) => {
  stream.cancel().catch(() => {});
};

// Never cleared, since that costs as much again: one that nobody waits for any more ends with its event, or settles nothing.
export const timer = (milliseconds, operation) => {
  setTimeout(() => settle(operation, null), milliseconds);
};

// A promise that the platform waits for, and the function that ends it.
export const waitUntil = (call) => {
  let done;
  call.ctx.waitUntil(new Promise((resolve) => (done = resolve)));
  return done;
};
export const finish = (done) => done();

export const later = () => queueMicrotask(go_on);
