//! Connections to origins: resolve, connect, TLS, within the time the guest allowed for it.
use super::failure::{ConnectTimeout, NoAddress, TlsMissing};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use std::cell::Cell;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tower_service::Service;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

thread_local! {
    static CONNECT_TIMEOUT: Cell<Option<Duration>> = const { Cell::new(None) };
}

/// Runs `call` so that a connection it opens must stand within `limit`.
///
/// The pool asks the connector for a connection while it is being polled, on this thread, but cannot hand
/// it the request's options: they wait in a thread-local for the length of that poll.
pub async fn with_connect_timeout<F: Future>(limit: Duration, call: F) -> F::Output {
    let mut call = pin!(call);
    std::future::poll_fn(move |cx| {
        CONNECT_TIMEOUT.set(Some(limit));
        let poll = call.as_mut().poll(cx);
        CONNECT_TIMEOUT.set(None);
        poll
    })
    .await
}

/// Opens connections, with TLS where the scheme asks for it.
#[derive(Clone)]
pub struct Connector {
    plain: HttpConnector<Resolver>,
    tls: Option<HttpsConnector<HttpConnector<Resolver>>>,
}

impl Connector {
    /// A connector; without `tls` it opens plain connections only.
    pub fn new(tls: Option<Arc<ClientConfig>>) -> Self {
        let mut plain = HttpConnector::new_with_resolver(Resolver(GaiResolver::new()));
        plain.set_nodelay(true);
        plain.enforce_http(false);
        plain.set_keepalive(Some(Duration::from_secs(30)));
        let tls = tls.map(|config| {
            HttpsConnectorBuilder::new()
                .with_tls_config(ClientConfig::clone(&config))
                .https_or_http()
                .enable_all_versions()
                .wrap_connector(plain.clone())
        });
        Connector { plain, tls }
    }
}

impl Service<http::Uri> for Connector {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: http::Uri) -> Self::Future {
        let limit = CONNECT_TIMEOUT.get().unwrap_or(super::NO_TIMEOUT);
        let https = uri.scheme() == Some(&http::uri::Scheme::HTTPS);
        let mut this = self.clone();
        Box::pin(async move {
            let connecting = async {
                match (&mut this.tls, https) {
                    (Some(tls), true) => tls.call(uri).await,
                    (None, true) => Err(TlsMissing.into()),
                    (_, false) => Ok(MaybeHttpsStream::Http(this.plain.call(uri).await?)),
                }
            };
            match tokio::time::timeout(limit, connecting).await {
                Ok(result) => result,
                Err(_) => Err(ConnectTimeout.into()),
            }
        })
    }
}

/// The system's resolver, with failures that can be told from others.
#[derive(Clone)]
pub struct Resolver(GaiResolver);

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = NoAddress;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, NoAddress>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), NoAddress>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let lookup = self.0.call(name);
        Box::pin(async move {
            let addresses: Vec<SocketAddr> = lookup.await.map_err(NoAddress)?.collect();
            Ok(addresses.into_iter())
        })
    }
}
