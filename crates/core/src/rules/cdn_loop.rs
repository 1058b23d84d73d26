//! CDN-Loop (RFC 8586): a request that comes back to the deployment that sent it is noticed, however often it would go round.

use super::directives::members;
use crate::fields::Fields;

/// The field. No client can have it removed: [`super::connection`] keeps it whatever Connection names.
pub const FIELD: &str = "cdn-loop";

/// Whether a request was sent by the deployment of this id before (RFC 8586 2). Parameters do not count, nor does case: an id may be
/// a host.
pub fn is_loop(request: &Fields, id: &str) -> bool {
    let own = |member: &[u8]| {
        let name = member.split(|b| *b == b';').next().unwrap_or_default();
        name.trim_ascii().eq_ignore_ascii_case(id.as_bytes())
    };
    request.get_all(FIELD).flat_map(members).any(own)
}

/// Adds our member behind those of others, which stay as they are (RFC 8586 2).
pub fn append(request: &mut Fields, id: &str) {
    request.append(FIELD, id);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_whatever_is_around_them() {
        for (lines, found, section) in [
            (&[][..], false, "2"),
            (&["terrace-1"], true, "2"),
            (&["TERRACE-1"], true, "2 a host's case does not count"),
            (&["foo123.foocdn.example, barcdn.example; trace=\"abcdef\"", "terrace-1 ; abc"], true, "2 the last line"),
            (&["AnotherCDN; abc=123; def=\"456, terrace-1\""], false, "2 within a parameter"),
            (&["AnotherCDN; terrace-1=1"], false, "2 the name of a parameter"),
            (&["terrace-2, xterrace-1, terrace-10"], false, "2 another deployment"),
            (&["\", terrace-1"], true, "a quote that does not close hides nothing"),
        ] {
            let request: Fields = lines.iter().map(|line| (FIELD.to_string(), line.as_bytes().to_vec())).collect();
            assert_eq!(is_loop(&request, "terrace-1"), found, "{section}: {lines:?}");
        }
    }

    #[test]
    fn ours_goes_behind_the_others() {
        let mut request = Fields::from([(FIELD, "a, b"), ("x", "1"), (FIELD, "c;d")]);
        append(&mut request, "terrace-1");
        assert_eq!(request.combined(FIELD).as_deref(), Some(&b"a, b, c;d, terrace-1"[..]));
        assert!(is_loop(&request, "terrace-1"));
    }
}
