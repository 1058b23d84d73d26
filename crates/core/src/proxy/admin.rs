//! Everything under `/_terrace`, and PURGE: for whoever has the token, and where none is configured, for nobody.

use super::content::Taken;
use super::{ADMIN, Proxy, check, request_id, url_of};
use crate::admin::{self, MAX_DOCUMENT, Order};
use crate::config::{Config, normal_percent};
use crate::decision::{Failure, Outcome};
use crate::fields::Fields;
use crate::host::Host;
use crate::message::{Body, Request, Response};
use crate::report::{self, metrics, problem};
use bytes::Bytes;
use http::{Method, StatusCode};
use std::rc::Rc;

/// Where a purge is asked for, and the metrics.
const PURGE: &str = "/_terrace/purge";
const METRICS: &str = "/_terrace/metrics";

impl Proxy {
    /// Whether a path is our own, however it is written: what needs no percent-encoding is the same with it (RFC 3986 6.2.2.2).
    pub(super) fn is_own(path: &str) -> bool {
        normal_percent(path).strip_prefix(ADMIN).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Answers a request for something under `/_terrace`.
    pub(super) async fn admin<H: Host>(
        self: &Rc<Self>,
        host: &H,
        mut request: Request<H::Stream>,
    ) -> Response<H::Stream> {
        let path = normal_percent(request.path()).into_owned();
        let is_metrics = path == METRICS;
        if self.config.admin_token.is_none() || !is_metrics && path != PURGE {
            let detail = "There is nothing here.";
            return self.refuse(host, check::Refusal { status: StatusCode::NOT_FOUND, detail });
        }
        if let Err(refused) = self.authorize(host, &request.fields).await {
            return refused;
        }
        if is_metrics {
            return match request.method {
                Method::GET => self.metrics::<H>(),
                _ => not_allowed(host, "GET", "Metrics are asked for by GET."),
            };
        }
        if request.method != Method::POST {
            return not_allowed(host, "POST", "A purge is asked for by POST.");
        }
        let length = request.fields.get_str("content-length").and_then(|length| length.trim().parse::<u64>().ok());
        let document = match self.take_content(host, &mut request, MAX_DOCUMENT).await {
            Taken::Whole(document, _) => document,
            Taken::Cut => return self.refuse(host, check::CUT),
            Taken::Not => {
                let (status, detail) = match length {
                    None => (StatusCode::LENGTH_REQUIRED, "A purge needs a Content-Length."),
                    Some(length) if length > MAX_DOCUMENT => {
                        (StatusCode::PAYLOAD_TOO_LARGE, "The document of a purge has at most 64 KiB: send several.")
                    }
                    Some(_) => (StatusCode::SERVICE_UNAVAILABLE, "There is no memory for the document: try again."),
                };
                return self.refuse(host, check::Refusal { status, detail });
            }
        };
        match admin::order(&document, &self.config, &request.authority) {
            Ok(order) => self.purge(host, order).await,
            Err(why) => refused(host, StatusCode::BAD_REQUEST, &why),
        }
    }

    /// Answers PURGE, which removes all variants of the URL that it is sent to.
    pub(super) async fn purge_own_url<H: Host>(
        self: &Rc<Self>,
        host: &H,
        request: Request<H::Stream>,
    ) -> Response<H::Stream> {
        if let Err(refused) = self.authorize(host, &request.fields).await {
            return refused;
        }
        let url = url_of(request.scheme, &request.authority, &request.target);
        let targets = admin::of_url(&url, &self.config);
        let keys = admin::keys_of_url(&url, &self.config, &request.authority);
        self.purge(host, Order { targets, soft: false, keys, warnings: Vec::new() }).await
    }

    async fn purge<H: Host>(self: &Rc<Self>, host: &H, order: Order) -> Response<H::Stream> {
        // What others have purged does not count.
        self.know_purges(host).await;
        let tiers = self.tiers(host);
        let matching = tiers.matching(&order.targets, &order.keys, host.now()).await;
        let Some(number) = tiers.purge(&order.targets, order.soft, host.now()).await else {
            if self.counters.schema.is_newer() {
                let detail =
                    "The database is of a newer terrace, and not used: upgrade this one, or give it another database.";
                return refused(host, StatusCode::SERVICE_UNAVAILABLE, detail);
            }
            let detail = "L2 did not take the purge, so it does not hold everywhere: try again.";
            let mut response = refused(host, StatusCode::SERVICE_UNAVAILABLE, detail);
            response.fields.append("retry-after", "1");
            return response;
        };
        answered("application/json", admin::answer((number, &order), matching, self.config.poll, host.now()))
    }

    /// What this instance has counted.
    fn metrics<H: Host>(&self) -> Response<H::Stream> {
        let text = metrics::text(&self.meter, H::SQL_SERVICE, &self.admission, &self.counters);
        answered(metrics::CONTENT_TYPE, text)
    }

    /// Whether the request carries the token; if not, what it is answered.
    async fn authorize<H: Host>(&self, host: &H, fields: &Fields) -> Result<(), Response<H::Stream>> {
        let Config { admin_token, .. } = &self.config;
        let token = match admin_token {
            Some(name) => host.secret(name).await.filter(|token| !token.trim().is_empty()),
            None => None,
        };
        match token {
            Some(token) if admin::is_authorized(fields, &token) => Ok(()),
            Some(_) => {
                let detail = "This takes the admin token: Authorization: Bearer <token>.";
                let mut response = refused(host, StatusCode::UNAUTHORIZED, detail);
                response.fields.append("www-authenticate", "Bearer");
                Err(response)
            }
            None => {
                host.warn("the secret of admin.token is missing or empty: nobody can purge or see metrics");
                Err(self.fail(host, Failure::ProxyConfigurationError, None))
            }
        }
    }
}

fn answered<S>(content_type: &str, text: String) -> Response<S> {
    let body = Bytes::from(text);
    let mut fields = Fields::from([("content-type", content_type), ("cache-control", "no-store")]);
    fields.append("content-length", body.len().to_string());
    Response { status: StatusCode::OK, fields, body: Body::Full(body) }
}

fn not_allowed<H: Host>(host: &H, allow: &str, detail: &str) -> Response<H::Stream> {
    let mut response = refused(host, StatusCode::METHOD_NOT_ALLOWED, detail);
    response.fields.append("allow", allow);
    response
}

/// A problem document, with where it came from.
fn refused<H: Host>(host: &H, status: StatusCode, detail: &str) -> Response<H::Stream> {
    let mut response = problem::document(status, detail, &request_id(host));
    report::describe(&Outcome::Failed { failure: Failure::BadRequest, why: None }, &mut response.fields);
    response
}
