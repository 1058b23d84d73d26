//! Requests that come back to who sent them (RFC 8586).
//!
//! Input: the fields of a request.

use super::block::{MOST, blocks, only};
use terrace_core::fields::Fields;
use terrace_core::rules::cdn_loop::{FIELD, append, is_loop};

const ID: &str = "terrace-1";

pub fn holds(data: &[u8]) {
    if data.len() > MOST {
        return;
    }
    let [request] = blocks(data);
    let found = is_loop(&request, ID);
    assert_eq!(found, is_loop(&only(&request, FIELD), ID), "no other field counts");
    let spelled = |value: &[u8]| value.windows(ID.len()).any(|part| part.eq_ignore_ascii_case(ID.as_bytes()));
    assert!(!found || request.get_all(FIELD).any(spelled), "who is not named has not sent it");
    let shouted: Fields = request.get_all(FIELD).map(|value| (FIELD.to_string(), value.to_ascii_uppercase())).collect();
    assert_eq!(found, is_loop(&shouted, ID), "an id may be a host, whose case is nothing");
    for other in ["barcdn.example; trace=\"abc\"", "\"", "a;b=\"", ","] {
        let mut more = request.clone();
        more.append(FIELD, other);
        assert_eq!(found, is_loop(&more, ID), "{other}: a line hides nothing of another");
    }
    // Whatever others have written, their members stay, and ours is found.
    let mut sent = request.clone();
    append(&mut sent, ID);
    assert!(is_loop(&sent, ID) && sent.as_list().starts_with(request.as_list()));
    let one_line = sent.combined(FIELD).unwrap().into_owned();
    let quoted = request.get_all(FIELD).any(|value| value.contains(&b'"'));
    assert!(quoted || is_loop(&Fields::from_list(vec![(FIELD.to_string(), one_line)]), ID), "lines may be joined");
}
