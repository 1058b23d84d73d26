//! What went wrong on the way out, in the words of wasi:http.
use std::error::Error as StdError;
use std::io;
use wasmtime_wasi_http::Error;

/// The connection did not stand in time.
#[derive(Debug, thiserror::Error)]
#[error("the connection did not stand in time")]
pub struct ConnectTimeout;

/// The host's name has no address.
#[derive(Debug, thiserror::Error)]
#[error("the name could not be resolved: {0}")]
pub struct NoAddress(#[source] pub io::Error);

/// An https address without TLS settings; the policy forbids it before this is reached.
#[derive(Debug, thiserror::Error)]
#[error("https is not set up")]
pub struct TlsMissing;

/// Why a request got no response.
pub fn of_request(error: &hyper_util::client::legacy::Error) -> Error {
    match find(error) {
        Some(found) => found,
        None if error.is_connect() => Error::DestinationUnavailable,
        None => Error::ConnectionTerminated,
    }
}

/// Why the body of a response ended early.
pub fn of_body(error: &hyper::Error) -> Error {
    match find(error) {
        Some(Error::ConnectionTerminated) | None => Error::HttpResponseIncomplete,
        Some(found) => found,
    }
}

fn find(error: &(dyn StdError + 'static)) -> Option<Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = one(error) {
            return Some(found);
        }
        // io::Error does not give its inner error as its source, but that one's source.
        next = match error.downcast_ref::<io::Error>().and_then(|e| e.get_ref()) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

fn one(error: &(dyn StdError + 'static)) -> Option<Error> {
    if error.is::<ConnectTimeout>() {
        return Some(Error::ConnectionTimeout);
    }
    if error.is::<NoAddress>() {
        return Some(Error::DnsError { rcode: Some("address not available".into()), info_code: None });
    }
    if error.is::<TlsMissing>() {
        return Some(Error::ConfigurationError);
    }
    if let Some(error) = error.downcast_ref::<rustls::Error>() {
        return Some(of_tls(error));
    }
    if let Some(error) = error.downcast_ref::<Error>() {
        // The guest's own request body failed.
        return Some(match error {
            Error::HttpRequestBodySize(size) => Error::HttpRequestBodySize(*size),
            Error::ConnectionReadTimeout => Error::ConnectionReadTimeout,
            other => Error::InternalError(Some(other.to_string())),
        });
    }
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        if error.is_parse_too_large() {
            return Some(Error::HttpResponseHeaderSectionSize(None));
        }
        if error.is_parse() {
            return Some(Error::HttpProtocolError);
        }
        if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
            return Some(Error::ConnectionTerminated);
        }
        if error.is_timeout() {
            return Some(Error::ConnectionReadTimeout);
        }
    }
    of_io(error.downcast_ref::<io::Error>()?)
}

fn of_io(error: &io::Error) -> Option<Error> {
    use io::ErrorKind as Kind;
    if is_exhausted(error) {
        return Some(Error::ConnectionLimitReached);
    }
    Some(match error.kind() {
        Kind::ConnectionRefused => Error::ConnectionRefused,
        Kind::TimedOut => Error::ConnectionTimeout,
        Kind::ConnectionReset
        | Kind::ConnectionAborted
        | Kind::BrokenPipe
        | Kind::NotConnected
        | Kind::UnexpectedEof => Error::ConnectionTerminated,
        Kind::HostUnreachable | Kind::NetworkUnreachable => Error::DestinationUnavailable,
        Kind::PermissionDenied => Error::DestinationIpProhibited,
        _ => return None,
    })
}

/// Whether this machine has no file or no port left for one more connection.
fn is_exhausted(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let ours = [Errno::MFILE, Errno::NFILE, Errno::ADDRNOTAVAIL, Errno::NOBUFS];
    Errno::from_io_error(error).is_some_and(|number| ours.contains(&number))
}

fn of_tls(error: &rustls::Error) -> Error {
    match error {
        rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => Error::TlsCertificateError,
        rustls::Error::AlertReceived(alert) => {
            Error::TlsAlertReceived { alert_id: Some(u8::from(*alert)), alert_message: Some(format!("{alert:?}")) }
        }
        _ => Error::TlsProtocolError,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_found_at_the_bottom_of_its_chain() {
        let wrapped =
            io::Error::other(io::Error::other(rustls::Error::InvalidCertificate(rustls::CertificateError::Expired)));
        assert!(matches!(find(&wrapped), Some(Error::TlsCertificateError)));
        let dns = NoAddress(io::Error::other("failed to lookup address information"));
        assert!(matches!(find(&io::Error::other(dns)), Some(Error::DnsError { .. })));
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        assert!(matches!(find(&refused), Some(Error::ConnectionRefused)));
        let full = io::Error::other(io::Error::from(rustix::io::Errno::MFILE));
        assert!(matches!(find(&full), Some(Error::ConnectionLimitReached)));
        assert!(find(&io::Error::other("unknown")).is_none());
    }
}
