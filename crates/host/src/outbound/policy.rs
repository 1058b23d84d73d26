//! Which origins the guest may send requests to, and which databases it may connect to.
use crate::error::Error;
use http::Uri;
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;

/// The allowed origins, and the trust needed to reach them.
#[derive(Clone)]
pub struct Policy {
    allowed: Arc<[Origin]>,
    tls: Option<Arc<ClientConfig>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
    Postgres,
}

#[derive(Debug, PartialEq, Eq)]
struct Origin {
    scheme: Scheme,
    host: String,
    port: u16,
}

impl Policy {
    /// A policy that allows `origins` and nothing else.
    pub fn new(origins: &[String]) -> Result<Self, Error> {
        let allowed = origins
            .iter()
            .map(|origin| parse(origin).map_err(|reason| Error::Origin { origin: origin.clone(), reason }))
            .collect::<Result<Arc<[_]>, _>>()?;
        // Reading the system's certificates takes a while: only where they are needed.
        let tls = allowed.iter().any(|origin| origin.scheme == Scheme::Https).then(trust).transpose()?;
        Ok(Policy { allowed, tls })
    }

    /// Whether a request to `uri` may leave.
    pub fn allows(&self, uri: &Uri) -> bool {
        let Some(authority) = uri.authority() else {
            return false;
        };
        if authority.as_str().contains('@') {
            return false;
        }
        let scheme = match uri.scheme_str() {
            Some("http") => Scheme::Http,
            Some("https") => Scheme::Https,
            _ => return false,
        };
        let port = authority.port_u16().unwrap_or(default_port(scheme));
        self.allowed.iter().any(|origin| {
            origin.scheme == scheme && origin.port == port && origin.host.eq_ignore_ascii_case(authority.host())
        })
    }

    /// Whether a connection to this server, `postgres://host:port`, may be opened.
    pub fn allows_server(&self, server: &str) -> bool {
        parse(server).is_ok_and(|server| server.scheme == Scheme::Postgres && self.allowed.contains(&server))
    }

    /// The TLS settings, where an https origin is allowed.
    pub(super) fn tls(&self) -> Option<Arc<ClientConfig>> {
        self.tls.clone()
    }
}

const fn default_port(scheme: Scheme) -> u16 {
    match scheme {
        Scheme::Http => 80,
        Scheme::Https => 443,
        Scheme::Postgres => 5432,
    }
}

fn parse(origin: &str) -> Result<Origin, &'static str> {
    let uri: Uri = origin.parse().map_err(|_| "it is not a URL")?;
    let scheme = match uri.scheme_str() {
        Some("http") => Scheme::Http,
        Some("https") => Scheme::Https,
        Some("postgres") => Scheme::Postgres,
        Some(_) => return Err("its scheme is none of http, https and postgres"),
        None => return Err("it has no scheme"),
    };
    let authority = uri.authority().ok_or("it has no host")?;
    if authority.as_str().contains('@') {
        return Err("it holds a user name; credentials belong in a header");
    }
    if authority.host().is_empty() {
        return Err("it has no host");
    }
    if uri.path() != "/" || uri.query().is_some() {
        return Err("it has a path; an origin is scheme, host and port alone");
    }
    Ok(Origin {
        scheme,
        host: authority.host().to_ascii_lowercase(),
        port: match authority.port() {
            Some(port) => port.as_u16(),
            None => default_port(scheme),
        },
    })
}

/// The system's certificate authorities (or those of SSL_CERT_FILE and SSL_CERT_DIR); where there are
/// none, Mozilla's, which are built in.
pub(crate) fn trust() -> Result<Arc<ClientConfig>, Error> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| Error::Tls(e.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_listed_may_be_reached() {
        let policy =
            Policy::new(&["http://127.0.0.1:9000".into(), "https://API.example.org".into(), "http://[::1]:81".into()])
                .expect("origins");
        let allows = |uri: &str| policy.allows(&uri.parse().expect(uri));
        for uri in [
            "http://127.0.0.1:9000/a?b",
            "https://api.example.org/",
            "https://api.EXAMPLE.org:443/x",
            "http://[::1]:81/",
        ] {
            assert!(allows(uri), "{uri}");
        }
        for uri in [
            "http://127.0.0.1/",
            "http://127.0.0.1:9001/",
            "https://127.0.0.1:9000/",
            "http://localhost:9000/",
            "http://api.example.org/",
            "http://api.example.org:443/",
            "https://api.example.org.evil.test/",
            "https://user@api.example.org/",
            "ftp://api.example.org/",
            "/api.example.org",
        ] {
            assert!(!allows(uri), "{uri}");
        }
    }

    #[test]
    fn a_server_is_none_of_the_origins() {
        let policy = Policy::new(&["http://127.0.0.1:5432".into(), "postgres://DB.example".into()]).expect("origins");
        assert!(policy.allows_server("postgres://db.example:5432"));
        for server in ["postgres://127.0.0.1:5432", "postgres://db.example:5433", "http://127.0.0.1:5432", "db.example"]
        {
            assert!(!policy.allows_server(server), "{server}");
        }
        assert!(!policy.allows(&"postgres://db.example:5432/".parse().expect("a URL")));
    }

    #[test]
    fn what_is_no_origin_is_refused_with_the_reason() {
        for (origin, word) in [
            ("api.example.org", "scheme"),
            ("ftp://a", "scheme"),
            ("http://a/b", "path"),
            ("http://a?b", "path"),
            ("http://u:p@a", "credentials"),
            ("http://", "URL"),
            ("", "URL"),
        ] {
            let error = Policy::new(&[origin.into()]).err().expect(origin).to_string();
            assert!(error.contains(word), "{origin:?}: {error}");
        }
    }
}
