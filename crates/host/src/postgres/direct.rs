//! A guest's own connection: one of the pool's from when it is opened until it is dropped, with whatever the guest left open on it, as
//! in Spin.
use super::db_values::{Parameter, column, error, row};
use super::server::{Refused, Shared};
use super::wit::postgres::{Column, Error, ParameterValue, Row};
use deadpool_postgres::Object;
use futures::TryStreamExt;
use std::sync::Arc;
use tokio::runtime::Handle as Tokio;
use tokio::task::JoinSet;

/// A connection that a guest has opened.
#[derive(Clone)]
pub struct Connection {
    tokio: Tokio,
    lent: Arc<Object>,
}

impl Connection {
    /// Takes one of the pool's.
    pub async fn open(server: Arc<Shared>) -> Result<Self, Error> {
        let tokio = server.tokio.clone();
        let lent = there(&tokio, async move {
            let lent = server.connection().await.map_err(|refused| match refused {
                Refused::Busy(why) | Refused::Away(why) => Error::ConnectionFailed(why),
            })?;
            server.reached();
            Ok(lent)
        });
        Ok(Connection { lent: Arc::new(lent.await?), tokio })
    }

    /// Runs a statement and returns its rows.
    pub async fn query(
        &self,
        statement: String,
        parameters: Vec<ParameterValue>,
    ) -> Result<(Vec<Column>, Vec<Row>), Error> {
        let lent = self.lent.clone();
        there(&self.tokio, async move {
            let statement = lent.prepare(&statement).await.map_err(error)?;
            let columns = statement.columns().iter().map(column).collect();
            let found = lent.query_raw(&statement, parameters.iter().map(Parameter)).await.map_err(error)?;
            let mut found = std::pin::pin!(found);
            let mut rows = Vec::new();
            while let Some(found) = found.try_next().await.map_err(error)? {
                rows.push(row(&found).map_err(error)?);
            }
            Ok((columns, rows))
        })
        .await
    }

    /// Runs a statement and returns how many rows it changed.
    pub async fn execute(&self, statement: String, parameters: Vec<ParameterValue>) -> Result<u64, Error> {
        let lent = self.lent.clone();
        there(&self.tokio, async move {
            let statement = lent.prepare(&statement).await.map_err(error)?;
            lent.execute_raw(&statement, parameters.iter().map(Parameter)).await.map_err(error)
        })
        .await
    }
}

/// Does this on the thread of the connections; abandoned, it goes no further.
async fn there<T: Send + 'static>(
    tokio: &Tokio,
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    let mut tasks = JoinSet::new();
    tasks.spawn_on(work, tokio);
    match tasks.join_next().await {
        Some(Ok(done)) => done,
        _ => Err(Error::Other("the host is ending".into())),
    }
}
