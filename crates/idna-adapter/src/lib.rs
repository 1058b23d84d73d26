//! What `idna`, and by it `url`, asks of Unicode, answered without its tables: a host name is ASCII, in its Punycode form where it
//! means more, or it is refused. The tables would be a tenth of the Worker.
//!
//! This is the interface of `idna_adapter` 1.0.0 of the rust-url developers (Apache-2.0 or MIT), whose 1.0 is made for the same
//! end. That one asserts, where assertions are on, that no upper-case letter comes, and one does: `http://A\u{ae}`, which an origin
//! may send. What is in a Punycode label is not validated (UTS 46 4.1): the name is looked up as it is, or is not there.

#![no_std]

/// Of no character is it asked.
#[derive(Clone, Copy)]
pub struct JoiningType;

/// Joining types, none told from another.
#[derive(Clone, Copy)]
pub struct JoiningTypeMask;

/// Of no character is it asked.
#[derive(Clone, Copy)]
pub struct BidiClass;

/// Directions, none told from another.
#[derive(Clone, Copy)]
pub struct BidiClassMask;

pub const LEFT_OR_DUAL_JOINING_MASK: JoiningTypeMask = JoiningTypeMask;
pub const RIGHT_OR_DUAL_JOINING_MASK: JoiningTypeMask = JoiningTypeMask;
pub const RTL_MASK: BidiClassMask = BidiClassMask;
pub const FIRST_BC_MASK: BidiClassMask = BidiClassMask;
pub const LAST_LTR_MASK: BidiClassMask = BidiClassMask;
pub const LAST_RTL_MASK: BidiClassMask = BidiClassMask;
pub const MIDDLE_LTR_MASK: BidiClassMask = BidiClassMask;
pub const MIDDLE_RTL_MASK: BidiClassMask = BidiClassMask;

impl JoiningType {
    pub fn to_mask(self) -> JoiningTypeMask {
        JoiningTypeMask
    }

    pub fn is_transparent(self) -> bool {
        true
    }
}

impl JoiningTypeMask {
    /// Always: no joiner is refused.
    pub fn intersects(self, _other: JoiningTypeMask) -> bool {
        true
    }
}

impl BidiClass {
    pub fn to_mask(self) -> BidiClassMask {
        BidiClassMask
    }

    pub fn is_ltr(self) -> bool {
        true
    }

    pub fn is_nonspacing_mark(self) -> bool {
        false
    }

    pub fn is_european_number(self) -> bool {
        false
    }

    pub fn is_arabic_number(self) -> bool {
        false
    }
}

impl BidiClassMask {
    /// Never: no label is taken for one that runs from right to left.
    pub fn intersects(self, _other: BidiClassMask) -> bool {
        false
    }
}

/// What stands between `idna` and Unicode's tables.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Adapter {}

impl Adapter {
    pub const fn new() -> Self {
        Adapter {}
    }

    pub fn is_virama(&self, _c: char) -> bool {
        true
    }

    pub fn is_mark(&self, _c: char) -> bool {
        false
    }

    pub fn bidi_class(&self, _c: char) -> BidiClass {
        BidiClass
    }

    pub fn joining_type(&self, _c: char) -> JoiningType {
        JoiningType
    }

    /// ASCII in lower case; what else there is becomes U+FFFD, which `idna` refuses.
    pub fn map_normalize<'a, I: Iterator<Item = char> + 'a>(&'a self, name: I) -> impl Iterator<Item = char> + 'a {
        name.map(|c| if c.is_ascii() { c.to_ascii_lowercase() } else { char::REPLACEMENT_CHARACTER })
    }

    /// What a Punycode label says, as it is.
    pub fn normalize_validate<'a, I: Iterator<Item = char> + 'a>(
        &'a self,
        label: I,
    ) -> impl Iterator<Item = char> + 'a {
        label
    }
}

impl Default for Adapter {
    fn default() -> Self {
        Adapter::new()
    }
}
