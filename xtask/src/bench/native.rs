//! A peer: hyper, natively, answering the bytes and fields it is given and nothing else.

use anyhow::{Context, Result};
use bytes::Bytes;
use clap::Args;
use http_body_util::Full;
use hyper::header::{HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{HeaderMap, Response};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;

#[derive(Args)]
pub struct Options {
    /// The answer, as JSON.
    answer: PathBuf,
    /// How many threads, each with a listener and a runtime of its own.
    #[arg(long)]
    threads: usize,
}

/// What to answer.
#[derive(Serialize, Deserialize)]
pub struct Answer {
    pub fields: Vec<(String, String)>,
    pub body: String,
}

pub fn run(options: &Options) -> Result<()> {
    let answer: Answer = serde_json::from_slice(&std::fs::read(&options.answer)?)?;
    let mut fields = HeaderMap::new();
    for (name, value) in &answer.fields {
        fields.append(HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
    }
    let body = Bytes::from(answer.body);
    let first = listener("127.0.0.1:0".parse()?)?;
    let address = first.local_addr()?;
    let mut listeners = vec![first];
    for _ in 1..options.threads {
        listeners.push(listener(address)?);
    }
    println!("listening on http://{address}");
    let threads: Vec<_> = listeners
        .into_iter()
        .map(|listener| {
            let (fields, body) = (fields.clone(), body.clone());
            std::thread::spawn(move || serve(listener, &fields, &body))
        })
        .collect();
    for thread in threads {
        thread.join().map_err(|_| anyhow::anyhow!("a thread panicked"))??;
    }
    Ok(())
}

fn listener(address: SocketAddr) -> Result<std::net::TcpListener> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(1024)?;
    Ok(socket.into())
}

fn serve(listener: std::net::TcpListener, fields: &HeaderMap, body: &Bytes) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async move {
        let listener = tokio::net::TcpListener::from_std(listener).context("the listener")?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let (fields, body) = (fields.clone(), body.clone());
            let service = service_fn(move |_request| {
                let mut response = Response::new(Full::new(body.clone()));
                *response.headers_mut() = fields.clone();
                std::future::ready(Ok::<_, Infallible>(response))
            });
            tokio::task::spawn_local(async move {
                let _ = hyper::server::conn::http1::Builder::new()
                    .pipeline_flush(true)
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    })
}
