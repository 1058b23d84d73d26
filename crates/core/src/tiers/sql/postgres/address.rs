//! The URL of a PostgreSQL as a platform takes it that connects by itself.

use super::session::SETTINGS;
use std::net::IpAddr;

const FORM: &str = "write postgres://user:password@host:5432/database";

/// `postgres://user[:password]@host[:port][/database][?sslmode=..]`, with the [`SETTINGS`] of a connection in front of those that it
/// has in `options`, and an `sslmode` that no server can talk down: `disable` on this machine, `require` elsewhere, where the URL says
/// neither.
///
/// # Errors
/// What is wrong, without repeating any of it: a password may be anywhere in what is malformed.
pub fn address(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://")).ok_or(FORM)?;
    let (user, rest) = rest.split_once('@').ok_or_else(|| format!("it names no user; {FORM}"))?;
    let (place, options) = rest.split_once('?').unwrap_or((rest, ""));
    let hosts = place.split('/').next().unwrap_or_default();
    if user.is_empty() || user.starts_with(':') || hosts.is_empty() {
        return Err(format!("it names no user or no host; {FORM}"));
    }
    if hosts.contains('@') {
        return Err(format!("it has more than one `@`; {FORM}, with an `@` in a password as %40"));
    }
    let mut settings = encoded(SETTINGS);
    let mut tls = !hosts.split(',').all(is_here);
    let mut address = format!("postgres://{user}@{place}?");
    for option in options.split('&').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some(("sslmode", "disable")) => tls = false,
            Some(("sslmode", "require" | "verify-ca" | "verify-full")) => tls = true,
            Some(("sslmode", _)) => {
                return Err("sslmode is verify-full, which verifies the certificate, or disable".into());
            }
            Some(("options", theirs)) => {
                settings += "%20";
                settings += theirs;
            }
            Some(("pool", _)) => {
                return Err("how many connections there are is the platform's to say: leave out `pool`".into());
            }
            _ => {
                address += option;
                address.push('&');
            }
        }
    }
    let mode = if tls { "require" } else { "disable" };
    Ok(format!("{address}sslmode={mode}&options={settings}"))
}

fn encoded(text: &str) -> String {
    text.replace('=', "%3D").replace(' ', "%20")
}

/// Whether a host is this machine, so that nobody listens on the way.
fn is_here(host: &str) -> bool {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _port)) => address,
        None => host.split(':').next().unwrap_or_default(),
    };
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
