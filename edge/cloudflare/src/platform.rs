//! The platform's calls, each one crossing into `js/platform.mjs`. What ends later names the operation that waits for it.

use worker::js_sys::Array;
use worker::wasm_bindgen::{self, JsValue, prelude::wasm_bindgen};

#[wasm_bindgen(raw_module = "./platform.mjs")]
extern "C" {
    /// An event: its request, `env` and `ctx`, and the promise of its answer.
    pub type Call;

    /// The head and the stream of a response.
    pub type Answer;

    #[wasm_bindgen(method, getter)]
    pub fn status(this: &Answer) -> u16;
    #[wasm_bindgen(method, getter)]
    pub fn head(this: &Answer) -> String;
    #[wasm_bindgen(method, getter)]
    pub fn body(this: &Answer) -> JsValue;

    pub fn configuration() -> String;
    pub fn variable(call: &Call, name: &str) -> Option<String>;

    /// Keeps fields under a number, in place of what had it.
    #[wasm_bindgen(catch, js_name = keepHead)]
    pub fn keep_head(number: u32, head: &[u8], ascii: bool) -> Result<(), JsValue>;

    fn respond(
        call: &Call,
        status: u16,
        known: i32,
        head: &[u8],
        ascii: bool,
        once: bool,
        body: JsValue,
    ) -> Option<String>;
    #[wasm_bindgen(js_name = respondCopy)]
    fn respond_copy(
        call: &Call,
        status: u16,
        known: i32,
        head: &[u8],
        ascii: bool,
        once: bool,
        content: &[u8],
    ) -> Option<String>;
    #[wasm_bindgen(js_name = respondPart)]
    fn respond_part(
        call: &Call,
        status: u16,
        known: i32,
        head: &[u8],
        ascii: bool,
        once: bool,
        start: u32,
        length: u32,
    ) -> Option<String>;
    #[wasm_bindgen(js_name = respondKnown)]
    fn respond_known(call: &Call, status: u16, known: i32, start: u32, length: u32) -> Option<String>;
    #[wasm_bindgen(catch)]
    pub fn end(call: &Call) -> Result<(), JsValue>;

    #[wasm_bindgen(js_name = kvGet)]
    pub fn kv_get(call: &Call, key: &[u8], operation: u32);
    #[wasm_bindgen(catch, js_name = kvPut)]
    pub fn kv_put(call: &Call, key: &str, value: &[u8], ttl: u32, operation: u32) -> Result<(), JsValue>;
    #[wasm_bindgen(catch, js_name = kvDelete)]
    pub fn kv_delete(call: &Call, key: &str, operation: u32) -> Result<(), JsValue>;

    #[wasm_bindgen(catch, js_name = d1Query)]
    pub fn d1_query(call: &Call, statement: &str, parameters: Array, operation: u32) -> Result<(), JsValue>;
    #[wasm_bindgen(catch, js_name = d1Batch)]
    pub fn d1_batch(call: &Call, statements: Array, operation: u32) -> Result<(), JsValue>;

    /// Returns what aborts it.
    #[wasm_bindgen(catch, js_name = fetchOrigin)]
    pub fn fetch_origin(
        method: &str,
        url: &str,
        head: &[u8],
        ascii: bool,
        once: bool,
        body: JsValue,
        operation: u32,
    ) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch)]
    pub fn abort(controller: &JsValue) -> Result<(), JsValue>;

    pub fn encode(coding: &str, content: &[u8], operation: u32);
    pub fn decode(coding: &str, content: &[u8], most: u32, operation: u32);

    pub fn content(call: &Call) -> JsValue;
    #[wasm_bindgen(catch)]
    pub fn tee(stream: &JsValue) -> Result<Array, JsValue>;
    #[wasm_bindgen(catch)]
    pub fn reader(stream: &JsValue) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch)]
    pub fn read(reader: &JsValue, operation: u32) -> Result<(), JsValue>;
    /// Of a stream or its reader.
    #[wasm_bindgen(catch)]
    pub fn cancel(stream: &JsValue) -> Result<(), JsValue>;

    pub fn timer(milliseconds: f64, operation: u32);

    /// Returns what ends it.
    #[wasm_bindgen(catch, js_name = waitUntil)]
    pub fn wait_until(call: &Call) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch)]
    pub fn finish(done: &JsValue) -> Result<(), JsValue>;

    /// Has `go_on` called when the platform is done with what it does now.
    #[wasm_bindgen(catch)]
    pub fn later() -> Result<(), JsValue>;
}

/// A response's head as it crosses: a status, and lines of fields.
pub struct Head<'a> {
    pub status: u16,
    /// The number of a kept head, of which the fields are those that have changed; -1 where they are all that there are.
    pub known: i32,
    pub lines: &'a [u8],
    pub ascii: bool,
    pub once: bool,
}

/// Each of these answers the call, and returns what was wrong, if anything.
impl Head<'_> {
    /// With a stream, or nothing.
    pub fn respond(&self, call: &Call, body: JsValue) -> Option<String> {
        respond(call, self.status, self.known, self.lines, self.ascii, self.once, body)
    }

    /// With content that is copied.
    pub fn respond_copy(&self, call: &Call, content: &[u8]) -> Option<String> {
        respond_copy(call, self.status, self.known, self.lines, self.ascii, self.once, content)
    }

    /// With a part of the value that KV gave this call last.
    pub fn respond_part(&self, call: &Call, start: u32, length: u32) -> Option<String> {
        match self.known >= 0 && self.lines.is_empty() {
            true => respond_known(call, self.status, self.known, start, length),
            false => respond_part(call, self.status, self.known, self.lines, self.ascii, self.once, start, length),
        }
    }
}
