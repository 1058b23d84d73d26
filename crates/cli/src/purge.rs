//! `terrace purge`: asks a running terrace, here or anywhere, to forget.

use crate::args::Purge;
use crate::client::{cause, client, runtime};
use crate::failure::Failure;
use crate::serve::say;
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use serde_json::{Value, json};
use std::env;
use std::time::Duration;

/// How long the whole exchange may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The longest answer that is read, in bytes.
const MAX_ANSWER: usize = 64 << 10;

pub fn run(args: &Purge) -> Result<(), Failure> {
    let token = token(&args.token_from)?;
    let document = json!({
        "urls": args.url,
        "prefixes": args.prefix,
        "tags": args.tag,
        "groups": args.group,
        "everything": args.everything,
        "soft": args.soft,
    });
    let asked = runtime()?.block_on(async { tokio::time::timeout(PATIENCE, ask(args, &token, &document)).await });
    let (status, answer) = asked.map_err(|_| Failure::no(format!("{} does not answer", args.server)))??;
    let text = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default();
    match status {
        StatusCode::OK => match (text("id"), text("holds_everywhere_at")) {
            (id, at) if !id.is_empty() && !at.is_empty() => {
                for warning in answer.get("warnings").and_then(Value::as_array).into_iter().flatten() {
                    tracing::warn!("{}", warning.as_str().unwrap_or_default());
                }
                say(format_args!("purge {id}: holds everywhere at {at}{}\n", hits(&answer)));
                Ok(())
            }
            _ => Err(Failure::no(format!("{} is not terrace: it answers, but names no purge", args.server))),
        },
        StatusCode::NOT_FOUND => Err(Failure::no(format!(
            "{} knows no purge: it is not terrace, or its terrace.toml has no [admin] with a token",
            args.server
        ))),
        _ => Err(Failure::no(format!("{status}: {}", text("detail")))),
    }
}

/// How much of what is stored it hits now, as far as terrace has looked.
fn hits(answer: &Value) -> String {
    let number = |name: &str| answer.get(name).and_then(Value::as_u64);
    let (Some(matched), Some(looked_at)) = (number("matched"), number("looked_at")) else { return String::new() };
    let all = answer.get("all_looked_at").and_then(Value::as_bool).unwrap_or_default();
    match (matched, all) {
        (_, true) => format!("; hits {matched} of {looked_at} stored responses"),
        (0, false) => format!("; hits none of the {looked_at} stored responses that were looked at, of more"),
        (_, false) => format!("; hits at least {matched} stored responses"),
    }
}

/// The token, from where the host looks for secrets, too.
fn token(name: &str) -> Result<String, Failure> {
    let upper = name.to_ascii_uppercase();
    [format!("SPIN_VARIABLE_{upper}"), upper.clone(), name.to_string()]
        .iter()
        .find_map(|name| env::var(name).ok().filter(|token| !token.is_empty()))
        .ok_or_else(|| {
            Failure::usage(format!(
                "no token: set the variable {upper} to the admin token, or name another one with --token-from"
            ))
        })
}

async fn ask(args: &Purge, token: &str, document: &Value) -> Result<(StatusCode, Value), Failure> {
    let mut url = args.server.clone();
    url.set_path("/_terrace/purge");
    url.set_query(None);
    let request = Request::builder()
        .method(Method::POST)
        .uri(url.as_str())
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(document.to_string())))
        .map_err(|why| Failure::usage(format!("--server or the token cannot be sent: {why}")))?;
    let response = client()?
        .request(request)
        .await
        .map_err(|why| Failure::no(format!("cannot ask {}: {}", args.server, cause(&why))))?;
    let status = response.status();
    let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
    let body = body.map_err(|why| Failure::no(format!("{} did not answer whole: {why}", args.server)))?.to_bytes();
    Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
}
