//! What the origin is asked in a request's place.

use super::{Lookable, Proxy};
use crate::decision::Failure;
use crate::entry::Head;
use crate::fields::Fields;
use crate::host::Host;
use crate::message::{Body, Response};
use crate::rules::{range, validate};
use crate::upstream::{self, Ask};

impl Proxy {
    /// Sends the request on; `held` makes it conditional (RFC 9111 4.3.1).
    pub(super) async fn ask<H: Host>(
        &self,
        host: &H,
        request: &Lookable,
        held: Option<&Head>,
    ) -> Result<Response<H::Stream>, Failure> {
        let mut fields = request.fields.clone();
        match held {
            Some(head) if request.is_conditional() => validate::conditional(head, &mut fields),
            _ => {
                // The client's own conditions are answered here, once the whole response is held: a 304 would leave the
                // cache as empty as it was.
                fields.retain(|name, _| name != "if-none-match" && name != "if-modified-since");
                if !range::may_be_sent(&fields) {
                    fields.retain(|name, _| name != "range" && name != "if-range");
                }
            }
        }
        self.send(host, request, fields).await
    }

    /// Sends the request on with these fields.
    pub(super) async fn send<H: Host>(
        &self,
        host: &H,
        request: &Lookable,
        fields: Fields,
    ) -> Result<Response<H::Stream>, Failure> {
        let (method, body) = match &request.content {
            None => (&request.method, Body::Empty),
            Some(content) if content.bytes.is_empty() => (&content.method, Body::Empty),
            Some(content) => (&content.method, Body::Full(content.bytes.clone())),
        };
        let (method, target, client) = (method.clone(), &request.target, request.client);
        let ask = Ask { method, target, fields, body, client };
        let fetch = upstream::fetch(host, &self.config, &self.meter, ask);
        let response = match &request.sharing.lead {
            Some(lead) => lead.alive(host, self.leased(host, request, fetch)).await?,
            None => fetch.await?,
        };
        self.note_marks(host, &response.fields);
        Ok(response)
    }
}
