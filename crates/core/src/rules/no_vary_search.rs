//! No-Vary-Search (draft-ietf-httpbis-no-vary-search): which differences between queries mean nothing, by the word of the response.

use super::reduce;
use crate::fields::Fields;
use sfv::{Dictionary, InnerList, ListEntry};
use url::form_urlencoded;

/// The response's field.
pub const FIELD: &str = "no-vary-search";

/// The most names in `params` or `except`; a field with more counts as absent.
const MAX_NAMES: usize = 64;

/// A URL search variance that is not the default one (section 4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variance {
    params: Params,
    order_counts: bool,
}

/// Which parameters count.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Params {
    But(Vec<String>),
    Only(Vec<String>),
}

/// What a response says (section 5). `None` where it says nothing, or nothing that can be understood: its URL is then the one that it
/// was asked for by.
pub fn variance(response: &Fields) -> Option<Variance> {
    let value = response.combined(FIELD)?;
    let dictionary: Dictionary = sfv::Parser::new(&*value).parse().ok()?;
    let flag = |entry: &ListEntry| match entry {
        ListEntry::Item(item) => item.bare_item.as_boolean(),
        ListEntry::InnerList(_) => None,
    };
    let order_counts = !dictionary.get("key-order").map_or(Some(false), flag)?;
    let params = match (dictionary.get("params"), dictionary.get("except")) {
        (Some(params), Some(ListEntry::InnerList(except))) if flag(params) == Some(true) => {
            Params::Only(names(except)?)
        }
        (_, Some(_)) => return None,
        (Some(ListEntry::InnerList(params)), None) => Params::But(names(params)?),
        (Some(params), None) if flag(params)? => Params::Only(Vec::new()),
        (_, None) => Params::But(Vec::new()),
    };
    let default = order_counts && params == Params::But(Vec::new());
    (!default).then_some(Variance { params, order_counts })
}

/// Parses keys (section 5.3). One with a `&` or `=` that is not encoded counts as not understood.
fn names(list: &InnerList) -> Option<Vec<String>> {
    let name = |item: &sfv::Item| {
        let text = item.bare_item.as_string().map(|text| text.as_str()).filter(|text| !text.contains(['&', '=']))?;
        Some(form_urlencoded::parse(text.as_bytes()).next().map(|(name, _)| name.into_owned()).unwrap_or_default())
    };
    if list.items.len() > MAX_NAMES {
        return None;
    }
    list.items.iter().map(name).collect()
}

impl Variance {
    /// The one form of all targets that mean the same (section 6): what counts of the query, decoded and encoded again.
    pub fn canonical(&self, target: &str) -> String {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let counts = |name: &str| match &self.params {
            Params::But(names) => !names.iter().any(|n| n == name),
            Params::Only(names) => names.iter().any(|n| n == name),
        };
        let mut pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| counts(name)).collect();
        if !self.order_counts {
            reduce::sort(&mut pairs);
        }
        if pairs.is_empty() {
            return path.to_string();
        }
        let start = path.len() + 1;
        form_urlencoded::Serializer::for_suffix(format!("{path}?"), start).extend_pairs(pairs).finish()
    }
}
