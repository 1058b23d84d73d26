//! In which coding a client is sent content (RFC 9110 12.5.3).
//!
//! Input: the fields of a request.

use super::block::{MOST, blocks, only};
use http::Method;
use terrace_core::entry::coded::{Coding, Codings};
use terrace_core::fields::Fields;
use terrace_core::rules::coding::{form, preferred};
use terrace_core::rules::directives::RequestControl;

const FIELD: &str = "accept-encoding";

pub fn holds(data: &[u8]) {
    if data.len() > MOST {
        return;
    }
    let [request] = blocks(data);
    let all = Codings::from(Coding::ALL);
    let best = preferred(&request, all);
    assert_eq!(best, preferred(&only(&request, FIELD), all), "no other field counts");
    assert!(best.is_none() || request.contains(FIELD), "who asks for nothing gets the content as it came");
    assert_eq!(preferred(&request, Codings::NONE), None);
    for bits in 0..1 << Coding::ALL.len() {
        let at_hand: Codings = some(bits);
        match (preferred(&request, at_hand), best) {
            (chosen, Some(best)) if at_hand.has(best) => assert_eq!(chosen, Some(best), "the best stays the best"),
            (Some(chosen), _) => assert!(at_hand.has(chosen) && best.is_some(), "{chosen:?}"),
            (None, _) => {}
        }
    }
    let shouted = request.get_all(FIELD).map(|value| (FIELD.to_string(), value.to_ascii_uppercase()));
    assert_eq!(best, preferred(&shouted.collect(), all), "case is nothing (RFC 9110 8.4.1)");
    for coding in Coding::ALL {
        let only_it = Codings::from([coding]);
        assert_eq!(preferred(&before(&request, &format!("{}; q=0", coding.as_str())), only_it), None, "q=0 is never");
        let liked = preferred(&before(&request, coding.as_str()), only_it);
        // What is liked as much as the content as it came is sent.
        assert_eq!(liked, Some(coding), "nothing is above 1");
    }
    ranges(&request, all);
}

/// Ranges are those of the content as it came (RFC 9110 14.2), and so is what must not be transformed (RFC 9111 5.2.1.6).
fn ranges(request: &Fields, all: Codings) {
    let honoured = RequestControl::of(request, true);
    let chosen = form(&Method::GET, request, &honoured, all);
    let spared = honoured.no_transform || request.contains("range");
    assert_eq!(chosen, if spared { None } else { preferred(request, all) });
    let mut ranged = request.clone();
    ranged.append("range", "bytes=0-1");
    assert_eq!(form(&Method::GET, &ranged, &honoured, all), None);
}

fn some(bits: u32) -> Codings {
    let chosen = (0..).zip(Coding::ALL).filter(|(n, _)| bits & 1 << n != 0);
    chosen.fold(Codings::NONE, |codings, (_, coding)| codings.with(coding))
}

/// The request with a line that comes before its own.
fn before(request: &Fields, line: &str) -> Fields {
    let first = (FIELD.to_string(), line.as_bytes().to_vec());
    std::iter::once(first).chain(request.as_list().iter().cloned()).collect()
}
