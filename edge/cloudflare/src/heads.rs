//! The heads of stored responses that went out lately, as JavaScript has them: of what is hit again only the fields that change
//! from one second to the next are made anew, since each one that crosses into JavaScript and into the platform costs.

use crate::lines::{self, Lines};
use crate::platform;
use std::cell::RefCell;
use terrace_core::fields::Fields;

/// The most heads that are kept, here and in JavaScript.
const MOST: usize = 64;

/// The longest of them, in bytes; longer ones are made each time.
const LONGEST: usize = 4096;

/// A head, as it crosses to JavaScript.
pub enum Head {
    /// One that JavaScript has, by its number, and the fields that it lacks.
    Known(u32, Lines),
    /// All fields.
    New(Lines),
}

#[derive(Default)]
struct Heads {
    /// By number.
    texts: Vec<Vec<u8>>,
    /// The number that is taken next.
    next: usize,
}

thread_local! {
    static HEADS: RefCell<Heads> = RefCell::default();
}

/// What differs between two answers from the same stored response.
fn changes(name: &str) -> bool {
    name == "age" || name == "cache-status"
}

/// Takes a head apart, and has JavaScript keep what of it may come again.
pub fn of(fields: &Fields) -> Head {
    // Without an age it is not from the store, and does not come again.
    if !fields.contains("age") || fields.bytes() > LONGEST {
        return Head::New(lines::write(fields));
    }
    let lasting = lines::write_only(fields, |name| !changes(name));
    HEADS.with_borrow_mut(|heads| match heads.number(&lasting) {
        Some(number) => Head::Known(number, lines::write_only(fields, changes)),
        None => Head::New(lines::write(fields)),
    })
}

impl Heads {
    /// The number of a head, new or known; `None` where JavaScript does not take it.
    fn number(&mut self, head: &Lines) -> Option<u32> {
        let known = self.texts.iter().position(|text| text == head.bytes());
        if let Some(number) = known {
            return u32::try_from(number).ok();
        }
        let number = u32::try_from(self.next).ok()?;
        platform::keep_head(number, head.bytes(), head.is_ascii(), head.has_each_once()).ok()?;
        match self.texts.get_mut(self.next) {
            Some(text) => *text = head.bytes().to_vec(),
            None => self.texts.push(head.bytes().to_vec()),
        }
        self.next = (self.next + 1) % MOST;
        Some(number)
    }
}
