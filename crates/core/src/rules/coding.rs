//! Content codings: what is compressed here, and which form a client is sent (RFC 9110 8.4, 12.5.3).
//!
//! Only what the origin sent as it is, and negotiates not itself, is compressed. A coded form is another representation than the
//! origin's: it has a weak form of the origin's ETag, and no ranges. What is stored of the fields is the origin's; they are made to
//! fit when a form is sent.

use super::directives::{RequestControl, members};
use super::vary::weight;
use crate::config::Policy;
use crate::decision::NotCompressed;
use crate::entry::Entry;
use crate::entry::coded::{Coding, Codings, Form, MAX_SIZE};
use crate::fields::Fields;
use http::Method;

/// Content up to this size, in bytes, is kept as it came beside its coded forms: to keep it costs less than to restore it for each
/// client that takes no coding.
pub const KEPT_PLAIN: u64 = 16 << 10;

/// Where no-transform may stand: the message has it, whoever it is for.
const CONTROLS: [&str; 3] = ["cache-control", "cdn-cache-control", "terrace-cache-control"];

/// Fields that are true of these bytes alone (RFC 9530 2, 3; RFC 9421).
const OF_THE_BYTES: [&str; 6] =
    ["content-digest", "content-md5", "digest", "repr-digest", "signature", "signature-input"];

/// Whether a response is stored compressed, as far as its head tells; `length` is that of its content in bytes, where it is known.
pub fn compressible(status: u16, fields: &Fields, length: Option<u64>, policy: &Policy) -> Result<(), NotCompressed> {
    if policy.compress.is_empty() {
        return Err(NotCompressed::Off);
    }
    if status != 200 {
        return Err(NotCompressed::Status);
    }
    if fields.contains("content-encoding") {
        return Err(NotCompressed::Encoded);
    }
    if fields.get_all("vary").flat_map(members).any(|name| name.eq_ignore_ascii_case(b"accept-encoding")) {
        return Err(NotCompressed::Negotiated);
    }
    if !fields.get("content-type").is_some_and(is_text) {
        return Err(NotCompressed::MediaType);
    }
    if fields.as_list().iter().any(|(name, _)| OF_THE_BYTES.contains(&name.as_str())) {
        return Err(NotCompressed::Digest);
    }
    match length {
        Some(length) if length < policy.compress_min_size => return Err(NotCompressed::TooSmall),
        Some(length) if length > MAX_SIZE => return Err(NotCompressed::TooLarge),
        _ => {}
    }
    let is_said = |name: &str| {
        fields.get_all(name).flat_map(members).any(|directive| directive.eq_ignore_ascii_case(b"no-transform"))
    };
    match CONTROLS.into_iter().any(is_said) {
        true => Err(NotCompressed::NoTransform),
        false => Ok(()),
    }
}

/// Whether a coded form of so many bytes is worth keeping for content of so many: an eighth is saved.
pub fn is_worth_it(coded: usize, content: usize) -> bool {
    coded > 0 && coded <= content - content / 8
}

/// The coding of those at hand in which a client is sent a stored response; `None` for its content as it came. Ranges are those of the
/// content as it came (RFC 9110 14.2), and a client that asks to be spared transformations is (RFC 9111 5.2.1.6).
pub fn form(method: &Method, request: &Fields, control: &RequestControl, at_hand: Codings) -> Option<Coding> {
    if control.no_transform || (*method == Method::GET && request.contains("range")) {
        return None;
    }
    preferred(request, at_hand)
}

/// The coding that a request's Accept-Encoding likes most of those at hand; `None` where that is no coding (RFC 9110 12.5.3).
///
/// No coding is also sent where no Accept-Encoding is there, as clients without one seldom know any; and where nothing at hand is
/// acceptable, be it `identity;q=0`: better that than nothing.
pub fn preferred(request: &Fields, at_hand: Codings) -> Option<Coding> {
    let mut asked = [None::<u32>; Coding::ALL.len()];
    let (mut any, mut identity) = (None, None);
    for member in request.get_all("accept-encoding").flat_map(members) {
        let mut parts = member.split(|b| *b == b';').map(<[u8]>::trim_ascii);
        let name = parts.next().unwrap_or_default();
        // A weight that is none makes the member say nothing that could be relied on.
        let q = parts.filter(|part| !part.is_empty()).map(|part| weight(part).unwrap_or(0)).next().unwrap_or(1000);
        let slot = match Coding::named(name) {
            Some(coding) => asked.get_mut(coding as usize),
            None if name == b"*" => Some(&mut any),
            None if name.eq_ignore_ascii_case(b"identity") => Some(&mut identity),
            None => None,
        };
        if let Some(slot) = slot {
            slot.get_or_insert(q);
        }
    }
    let mut best = None;
    let mut best_q = identity.unwrap_or(1).max(1);
    for (coding, q) in Coding::ALL.into_iter().zip(asked) {
        let q = q.or(any).unwrap_or(0);
        if at_hand.has(coding) && (q > best_q || q == best_q && best.is_none()) {
            (best, best_q) = (Some(coding), q);
        }
    }
    best
}

/// Turns an entry that keeps coded forms into what a client is sent of it.
pub fn show(entry: &mut Entry, form: Form) {
    let Some(coded) = entry.head.coded.take() else { return };
    let fields = &mut entry.head.fields;
    vary_on_encoding(fields);
    match form {
        Form::Identity(content) => entry.body = content,
        Form::In(coding) => {
            entry.body = coded.form(&entry.body, Some(coding)).unwrap_or_default();
            fields.set("content-encoding", coding.as_str());
            fields.set("content-length", entry.body.len().to_string());
            weaken(fields);
        }
    }
    entry.head.body_len = entry.body.len() as u64;
}

/// Says that the coding was chosen by the request, or will be for the next one (RFC 9110 12.5.5).
pub fn vary_on_encoding(fields: &mut Fields) {
    let enough = |name: &[u8]| name == b"*" || name.eq_ignore_ascii_case(b"accept-encoding");
    if !fields.get_all("vary").flat_map(members).any(enough) {
        fields.retain(|name, value| name != "vary" || !value.is_empty());
        fields.append("vary", "Accept-Encoding");
        fields.join("vary", b", ");
    }
}

/// Two representations of one state share a weak ETag, and never a strong one (RFC 9110 8.8.1, 8.8.3.3).
fn weaken(fields: &mut Fields) {
    if let Some(tag) = fields.get("etag").map(<[u8]>::trim_ascii).filter(|tag| !tag.starts_with(b"W/")) {
        let value = [b"W/", tag].concat();
        fields.set("etag", value);
    }
}

/// Media types that compress well: text, and the formats that are written in it. A stream of events goes out as it comes.
fn is_text(content_type: &[u8]) -> bool {
    const SUFFIXES: [&[u8]; 4] = [b"+json", b"+xml", b"+yaml", b"+text"];
    const TYPES: [&[u8]; 15] = [
        b"application/ecmascript",
        b"application/geojson",
        b"application/graphql",
        b"application/javascript",
        b"application/json",
        b"application/jsonl",
        b"application/ndjson",
        b"application/sql",
        b"application/toml",
        b"application/x-javascript",
        b"application/x-ndjson",
        b"application/x-yaml",
        b"application/xml",
        b"application/xml-dtd",
        b"application/yaml",
    ];
    let essence = content_type.split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
    let begins = |with: &[u8]| essence.get(..with.len()).is_some_and(|front| front.eq_ignore_ascii_case(with));
    let ends = |with: &&[u8]| {
        let at = essence.len().checked_sub(with.len());
        at.and_then(|at| essence.get(at..)).is_some_and(|end| end.eq_ignore_ascii_case(with))
    };
    let is = |name: &&[u8]| essence.eq_ignore_ascii_case(name);
    (begins(b"text/") && !is(&&b"text/event-stream"[..])) || TYPES.iter().any(is) || SUFFIXES.iter().any(ends)
}
