//! What platforms bill, counted: every call to a store, every exchange with the origin, every request. Of one instance, since it began;
//! an increment each. `report/metrics.rs` prints it.

use std::cell::Cell;

/// Rows that calls to L2 were billed, where the platform tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// Rows that were looked at.
    pub read: u64,
    /// Rows, and entries of indexes, that were written.
    pub written: u64,
}

macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident = $service:ident $op:literal,)*) => {
        /// Operations so far.
        #[derive(Debug, Default)]
        pub struct Meter { $($(#[$doc])* pub $name: Cell<u64>,)* }

        impl Meter {
            /// Every count, with the service that bills it and what it is called there.
            pub fn all(&self) -> impl Iterator<Item = (Service, &'static str, u64)> {
                [$((Service::$service, $op, self.$name.get()),)*].into_iter()
            }
        }
    };
}

/// Who bills an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// The platform, for what it lets in.
    Http,
    /// The origin.
    Origin,
    /// L1.
    Kv,
    /// L2.
    Sql,
}

operations! {
    /// Requests that came in, those under `/_terrace` with them.
    requests = Http "request",
    /// Requests that were sent to the origin.
    fetches = Origin "fetch",
    /// Reads of L1.
    kv_reads = Kv "read",
    /// Writes to L1.
    kv_writes = Kv "write",
    /// Deletes in L1, which Workers KV bills as it does writes.
    kv_deletes = Kv "delete",
    /// Statements that read L2.
    queries = Sql "query",
    /// Transactions that write L2.
    batches = Sql "batch",
    /// Rows that L2 looked at, where it says so.
    rows_read = Sql "rows_read",
    /// Rows that L2 wrote, where it says so.
    rows_written = Sql "rows_written",
}

impl Meter {
    /// What L2 says that it has looked at and written.
    pub fn rows(&self, Rows { read, written }: Rows) {
        add(&self.rows_read, read);
        add(&self.rows_written, written);
    }
}

/// One more.
pub fn count(counter: &Cell<u64>) {
    add(counter, 1);
}

fn add(counter: &Cell<u64>, more: u64) {
    counter.set(counter.get().saturating_add(more));
}
