//! A guest's connection, and statements on it.
use super::Dialect;
use super::locks::{About, Locks};
use super::server::{PATIENCE, Refused, Shared, words};
use super::values::{Parameter, error, kind, row};
use crate::bindings::spin::sqlite::sqlite::{Error, QueryResult, Value};
use deadpool_postgres::Object;
use futures::TryStreamExt;
use std::ops::Deref;
use std::sync::Arc;
use tokio_postgres::types::Type;
use tokio_postgres::{Error as PgError, Row};

/// Statements that a connection keeps prepared; beyond, it forgets all of them.
const STATEMENTS: usize = 128;

/// A server, and how it is spoken to.
pub struct Served {
    shared: Arc<Shared>,
    dialect: Dialect,
}

impl Deref for Served {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}

/// A connection of a guest: one of the pool's for a statement alone, the same one for all of a transaction.
pub struct Handle {
    shared: Arc<Served>,
    state: State,
    changes: u64,
}

enum State {
    /// Every statement is a transaction.
    Idle,
    /// One was begun, and the server knows nothing of it yet.
    Begun,
    Open(Box<Transaction>),
    /// A statement of it failed: there is nothing to commit any more.
    Failed,
    /// A statement of it is under way.
    UnderWay,
}

struct Transaction {
    connection: Lent,
    locks: Locks,
}

/// A connection of the pool that is in use. Abandoned, it ends what is under way on it before it goes back, or else is closed.
struct Lent {
    connection: Option<Object>,
    shared: Arc<Served>,
}

impl Lent {
    fn give_back(mut self) {
        self.connection = None;
    }
}

impl Deref for Lent {
    type Target = Object;

    fn deref(&self) -> &Object {
        self.connection.as_ref().expect("it is taken by `give_back` and `drop` alone")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        self.shared.tokio.spawn(async move {
            let ended = tokio::time::timeout(PATIENCE, connection.batch_execute("ROLLBACK")).await;
            if !matches!(ended, Ok(Ok(()))) {
                drop(Object::take(connection));
            }
        });
    }
}

/// What a statement asks of the server.
enum Work {
    Nothing,
    Commit,
    RollBack,
    Run { sql: String, parameters: Vec<Value>, about: About },
}

/// A statement that is to be run.
pub struct Call {
    shared: Arc<Served>,
    state: State,
    work: Work,
}

/// What came of a [`Call`].
pub struct Outcome {
    state: State,
    result: Result<(QueryResult, u64), Error>,
}

impl Handle {
    pub(super) fn new(shared: Arc<Shared>, dialect: Dialect) -> Self {
        Handle { shared: Arc::new(Served { shared, dialect }), state: State::Idle, changes: 0 }
    }

    /// The statement as a call, which needs the handle no more until it is [settled](Self::settle). An abandoned one ends its
    /// transaction.
    pub fn call(&mut self, statement: &str, parameters: Vec<Value>) -> Result<Call, Error> {
        let work = match statement {
            "BEGIN" | "BEGIN IMMEDIATE" => return self.begin(),
            "COMMIT" => Work::Commit,
            "ROLLBACK" => Work::RollBack,
            pragma if pragma.starts_with("PRAGMA") => return Err(Error::Io("PostgreSQL has no PRAGMA".into())),
            statement => {
                let dialect = self.shared.dialect;
                let about = match parameters.first() {
                    Some(Value::Text(key)) if (dialect.is_about_one_key)(statement) => About::Key(key.clone()),
                    _ => About::All,
                };
                Work::Run { sql: (dialect.translate)(statement), parameters, about }
            }
        };
        let refused = match (&self.state, &work) {
            (State::UnderWay, _) => {
                "a statement of this transaction is under way, or was abandoned: open another connection"
            }
            (State::Idle, Work::Commit | Work::RollBack) => "no transaction is active",
            (State::Failed, Work::Run { .. }) => "a statement of this transaction failed: roll it back",
            (State::Idle, _) => return Ok(self.made(State::Idle, work)),
            _ => {
                let state = std::mem::replace(&mut self.state, State::UnderWay);
                return Ok(self.made(state, work));
            }
        };
        Err(Error::Io(refused.into()))
    }

    fn begin(&mut self) -> Result<Call, Error> {
        match self.state {
            State::Idle => {
                self.state = State::UnderWay;
                Ok(self.made(State::Begun, Work::Nothing))
            }
            _ => Err(Error::Io("cannot start a transaction within a transaction".into())),
        }
    }

    fn made(&self, state: State, work: Work) -> Call {
        Call { shared: self.shared.clone(), state, work }
    }

    /// Takes note of what came of a call, and returns its rows.
    pub fn settle(&mut self, outcome: Outcome) -> Result<QueryResult, Error> {
        // Those of no transaction may be several at once, and leave none behind.
        if matches!(self.state, State::UnderWay) {
            self.state = outcome.state;
        }
        let (result, changes) = outcome.result?;
        self.changes = changes;
        Ok(result)
    }

    /// PostgreSQL has no row ids.
    pub fn last_insert_rowid(&self) -> i64 {
        0
    }

    /// Rows that the last statement changed, or returned.
    pub fn changes(&self) -> u64 {
        self.changes
    }
}

impl Call {
    /// Runs it, where the connections live.
    pub async fn run(self) -> Outcome {
        let tokio = self.shared.tokio.clone();
        match tokio.spawn(self.perform()).await {
            Ok(outcome) => outcome,
            Err(_) => Outcome { state: State::Failed, result: Err(Error::Io("PostgreSQL: the host is ending".into())) },
        }
    }

    async fn perform(self) -> Outcome {
        let Call { shared, state, work } = self;
        let nothing = || Ok((QueryResult { columns: Vec::new(), rows: Vec::new() }, 0));
        let (state, result) = match (state, work) {
            (state, Work::Nothing) => (state, nothing()),
            (State::Open(transaction), Work::Commit) => {
                let done = simple(&shared, transaction.connection, "COMMIT").await;
                (State::Idle, done.map(Lent::give_back).and_then(|()| nothing()))
            }
            (State::Open(transaction), Work::RollBack) => {
                let done = simple(&shared, transaction.connection, "ROLLBACK").await;
                (State::Idle, done.map(Lent::give_back).and_then(|()| nothing()))
            }
            (State::Failed, Work::Commit) => {
                let why = "the transaction was rolled back: a statement of it failed";
                (State::Idle, Err(Error::Io(why.into())))
            }
            (_, Work::Commit | Work::RollBack) => (State::Idle, nothing()),
            (State::Idle, Work::Run { sql, parameters, .. }) => (State::Idle, alone(&shared, &sql, &parameters).await),
            (state, Work::Run { sql, parameters, about }) => {
                match within(&shared, state, &sql, &parameters, about).await {
                    Ok((transaction, done)) => (State::Open(transaction), Ok(done)),
                    Err(why) => (State::Failed, Err(why)),
                }
            }
        };
        Outcome { state, result }
    }
}

type Done = (QueryResult, u64);

/// A statement that is a transaction.
async fn alone(shared: &Arc<Served>, sql: &str, parameters: &[Value]) -> Result<Done, Error> {
    let connection = lend(shared).await?;
    let found = in_time(shared, query(&connection, sql, parameters)).await?;
    connection.give_back();
    found.done(&shared.dialect)
}

/// A statement of a transaction, after the locks that it needs. Where it fails, the transaction is over.
async fn within(
    shared: &Arc<Served>,
    state: State,
    sql: &str,
    parameters: &[Value],
    about: About,
) -> Result<(Box<Transaction>, Done), Error> {
    let (mut transaction, begin) = match state {
        State::Open(transaction) => (transaction, String::new()),
        _ => {
            let transaction = Box::new(Transaction { connection: lend(shared).await?, locks: Locks::default() });
            (transaction, format!("{}; ", shared.dialect.begin))
        }
    };
    if let Some(locks) = transaction.locks.take(about, &shared.dialect) {
        transaction.connection = simple(shared, transaction.connection, &format!("{begin}{locks}")).await?;
    }
    let found = in_time(shared, query(&transaction.connection, sql, parameters)).await?;
    Ok((transaction, found.done(&shared.dialect)?))
}

async fn lend(shared: &Arc<Served>) -> Result<Lent, Error> {
    match shared.connection().await {
        Ok(connection) => Ok(Lent { connection: Some(connection), shared: shared.clone() }),
        Err(Refused::Busy(why)) => Err(Error::Io(format!("database is locked: {why}"))),
        Err(Refused::Away(why)) => Err(Error::Io(why)),
    }
}

/// A command without parameters or rows.
async fn simple(shared: &Arc<Served>, connection: Lent, command: &str) -> Result<Lent, Error> {
    in_time(shared, connection.batch_execute(command)).await?;
    Ok(connection)
}

/// What the server answers in time.
async fn in_time<T>(shared: &Served, work: impl Future<Output = Result<T, PgError>>) -> Result<T, Error> {
    let answer = match tokio::time::timeout(PATIENCE, work).await {
        Ok(answer) => answer,
        Err(late) => return Err(Error::Io(shared.not_reached(&words(&late)))),
    };
    // An error without a code is one of the way there.
    if answer.as_ref().err().is_none_or(|failed| failed.code().is_some()) {
        shared.reached();
    }
    answer.map_err(|failed| error(failed, &shared.dialect))
}

struct Found {
    columns: Vec<String>,
    rows: Vec<Row>,
    changes: u64,
}

impl Found {
    fn done(self, dialect: &Dialect) -> Result<Done, Error> {
        let rows = self.rows.iter().map(|found| row(found, dialect)).collect::<Result<_, _>>()?;
        Ok((QueryResult { columns: self.columns, rows }, self.changes))
    }
}

async fn query(connection: &Object, sql: &str, parameters: &[Value]) -> Result<Found, PgError> {
    let cache = &connection.statement_cache;
    if cache.size() >= STATEMENTS {
        cache.clear();
    }
    let types: Vec<Type> = parameters.iter().map(kind).collect();
    let statement = connection.prepare_typed_cached(sql, &types).await?;
    let columns = statement.columns().iter().map(|column| column.name().to_owned()).collect();
    let found = async {
        let found = connection.query_raw(&statement, parameters.iter().map(Parameter)).await?;
        let mut found = std::pin::pin!(found);
        let mut rows = Vec::new();
        while let Some(row) = found.try_next().await? {
            rows.push(row);
        }
        Ok(Found { columns, rows, changes: found.rows_affected().unwrap_or_default() })
    };
    let found = found.await;
    if found.is_err() {
        // A plan that the tables have outgrown, for one.
        cache.remove(sql, &types);
    }
    found
}
