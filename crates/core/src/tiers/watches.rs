//! Which instance asks for a watched document, and what all of them remember of it: a row in L2.
//!
//! Whoever asks takes the row for as long as that may last, so that all others leave the document alone, and the next one takes over
//! from who is gone. The clocks of instances must agree to about a second.

use super::Tiers;
use super::sql::watches::{self, Row};
use crate::host::Host;
use crate::time::Timestamp;

/// A document that this instance has to ask for.
#[derive(Debug)]
pub struct Turn {
    name: String,
    owner: u64,
    /// How often it could not be read lately, on end.
    pub failures: u32,
    /// What was seen of it last.
    pub seen: String,
}

/// Whether to ask for a document.
#[derive(Debug)]
pub enum Asked {
    /// Yes.
    ByUs(Turn),
    /// Not before then.
    Later(Timestamp),
    /// No: L2 fails, and would take no purge.
    Never,
}

impl<H: Host> Tiers<'_, H> {
    /// Takes a document, if it is due and nobody else has it: a query, and a batch where it is due. `until` is how long nobody else
    /// takes it, and what is due after `latest` is due now.
    pub async fn take_watch(&self, name: String, until: Timestamp, latest: Timestamp) -> Asked {
        let now = self.host.now();
        match watches::due(self, &name).await {
            None => return Asked::Never,
            Some(Some(due)) if due > now && due <= latest => return Asked::Later(due),
            Some(_) => {}
        }
        let owner = self.new_life();
        match watches::take(self, &name, (owner, until), (now, latest)).await {
            None => Asked::Never,
            Some(row) if row.owner != owner => Asked::Later(row.due),
            Some(Row { failures, seen, .. }) => Asked::ByUs(Turn { name, owner, failures, seen }),
        }
    }

    /// Gives it back, to be asked for again at `due`.
    pub async fn end_watch(&self, turn: Turn, due: Timestamp) {
        let Turn { name, owner, failures, seen } = turn;
        watches::done(self, &name, &Row { owner, due, failures, seen }, self.host.now()).await;
    }
}
