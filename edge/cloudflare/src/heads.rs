//! The heads of stored responses that went out lately, as JavaScript has them: what is hit again mostly goes out with the head that it
//! had before, and from one second to the next two fields of it change. Each field that crosses into JavaScript and into the
//! platform costs.

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
    /// One that JavaScript has, by its number.
    Known(u32),
    /// One that JavaScript has, and the fields that have changed.
    Changed(u32, Lines),
    /// All fields.
    New(Lines),
}

#[derive(Default)]
struct Heads {
    /// By number.
    kept: Vec<Kept>,
    /// The number that is taken next.
    next: usize,
}

/// A head that JavaScript has.
struct Kept {
    lasting: Vec<u8>,
    changing: Vec<u8>,
}

thread_local! {
    static HEADS: RefCell<Heads> = RefCell::default();
}

/// What differs between two answers from the same stored response.
fn changes(name: &str) -> bool {
    name == "age" || name == "cache-status"
}

fn lasts(name: &str) -> bool {
    !changes(name)
}

/// Takes a head apart, and has JavaScript keep what may come again.
pub fn of(fields: &Fields) -> Head {
    // Without an age it is not from the store, and does not come again.
    if !fields.contains("age") || fields.bytes() > LONGEST {
        return Head::New(lines::write(fields));
    }
    HEADS.with_borrow_mut(|heads| heads.of(fields))
}

/// Has a head made anew the next time that it comes: JavaScript may have it half changed.
pub fn forget(number: u32) {
    HEADS.with_borrow_mut(|heads| {
        if let Some(kept) = usize::try_from(number).ok().and_then(|number| heads.kept.get_mut(number)) {
            kept.lasting.clear();
        }
    });
}

impl Heads {
    fn of(&mut self, fields: &Fields) -> Head {
        let known = self.kept.iter_mut().enumerate().find(|(_, kept)| lines::are(&kept.lasting, fields, lasts));
        if let Some((number, kept)) = known.and_then(|(number, kept)| Some((u32::try_from(number).ok()?, kept))) {
            if lines::are(&kept.changing, fields, changes) {
                return Head::Known(number);
            }
            let changed = lines::write_only(fields, changes);
            kept.changing = changed.bytes().to_vec();
            return Head::Changed(number, changed);
        }
        let head = lines::write(fields);
        // Of fields that stand there twice one cannot be changed alone.
        match u32::try_from(self.next).ok().filter(|_| head.has_each_once()) {
            Some(number) if platform::keep_head(number, head.bytes(), head.is_ascii()).is_ok() => {
                self.keep(fields);
                Head::Known(number)
            }
            _ => Head::New(head),
        }
    }

    fn keep(&mut self, fields: &Fields) {
        let bytes = |wanted: fn(&str) -> bool| lines::write_only(fields, wanted).bytes().to_vec();
        let kept = Kept { lasting: bytes(lasts), changing: bytes(changes) };
        match self.kept.get_mut(self.next) {
            Some(place) => *place = kept,
            None => self.kept.push(kept),
        }
        self.next = (self.next + 1) % MOST;
    }
}
