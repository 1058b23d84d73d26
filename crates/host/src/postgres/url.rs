//! Where the database is.
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

/// The most connections, unless the URL says otherwise, and the most that it may say.
const POOL: usize = 16;
const POOL_AT_MOST: usize = 256;

const FORM: &str = "write postgres://user:password@host:5432/database";

/// `postgres://user[:password]@host[:port][/database][?sslmode=..&pool=..]`, as libpq reads it but for these two. Never shown with its
/// password.
#[derive(Clone)]
pub struct PostgresUrl {
    pub(super) config: Config,
    /// The most connections.
    pub(super) pool: usize,
}

impl FromStr for PostgresUrl {
    type Err = String;

    /// What is wrong is said without repeating any of it: a password may be anywhere in what is malformed.
    fn from_str(text: &str) -> Result<Self, String> {
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            return Err(FORM.into());
        }
        // A password may hold a `?`, and ends at the first `@`.
        let from = text.find('@').unwrap_or_default();
        let (address, options) = match text[from..].find('?') {
            Some(at) => (&text[..from + at], &text[from + at + 1..]),
            None => (text, ""),
        };
        let host = address.get(from + 1..).unwrap_or_default().split('/').next().unwrap_or_default();
        if host.contains('@') {
            return Err(format!("it has more than one `@`; {FORM}, with an `@` in a password as %40"));
        }
        let (mut pool, mut tls, mut theirs) = (POOL, None, Vec::new());
        for option in options.split('&').filter(|option| !option.is_empty()) {
            match option.split_once('=') {
                Some(("pool", value)) => {
                    let number = value.parse().ok().filter(|number| (1..=POOL_AT_MOST).contains(number));
                    pool = number.ok_or(format!("pool is a number of connections, 1 to {POOL_AT_MOST}"))?;
                }
                Some(("sslmode", "disable")) => tls = Some(false),
                Some(("sslmode", "require" | "verify-ca" | "verify-full")) => tls = Some(true),
                Some(("sslmode", _)) => {
                    return Err("sslmode is verify-full, which verifies the certificate, or disable".into());
                }
                _ => theirs.push(option),
            }
        }
        let text = match theirs.is_empty() {
            true => address.to_owned(),
            false => format!("{address}?{}", theirs.join("&")),
        };
        let mut config: Config = text.parse().map_err(|_| {
            format!(
                "it cannot be read, or has an option that is not known; {FORM}, with `@`, `:`, `/`, `?`, `#` and `%` in a \
                 password as %40, %3A, %2F, %3F, %23 and %25"
            )
        })?;
        if config.get_hosts().is_empty() || config.get_user().is_none_or(str::is_empty) {
            return Err(format!("it names no host or no user; {FORM}"));
        }
        if config.get_application_name().is_none() {
            config.application_name("terrace");
        }
        let tls = tls.unwrap_or_else(|| !config.get_hosts().iter().all(is_here));
        config.ssl_mode(if tls { SslMode::Require } else { SslMode::Disable });
        Ok(PostgresUrl { config, pool })
    }
}

impl PostgresUrl {
    /// Each server that it names, as `postgres://host:port`; why not, where one is reached otherwise.
    pub fn servers(&self) -> Result<Vec<String>, String> {
        if !self.config.get_hostaddrs().is_empty() {
            return Err("it has `hostaddr`: name the server in front".into());
        }
        let ports = self.config.get_ports();
        let hosts = self.config.get_hosts().iter().enumerate();
        let servers = hosts.map(|(n, host)| match host {
            Host::Tcp(name) => {
                let port = ports.get(n).or(ports.first()).copied().unwrap_or(5432);
                match name.trim_matches(['[', ']']) {
                    address if address.contains(':') => Ok(format!("postgres://[{address}]:{port}")),
                    name => Ok(format!("postgres://{name}:{port}")),
                }
            }
            #[cfg(unix)]
            Host::Unix(_) => Err("it names a Unix socket, which a component cannot connect to".into()),
        });
        servers.collect()
    }
}

/// Whether a host is this machine, so that nobody listens on the way.
fn is_here(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => {
            let name = name.trim_matches(['[', ']']);
            name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    }
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postgres://")?;
        let ports = self.config.get_ports();
        for (n, host) in self.config.get_hosts().iter().enumerate() {
            let comma = if n > 0 { "," } else { "" };
            let port = ports.get(n).or(ports.first()).copied().unwrap_or(5432);
            match host {
                Host::Tcp(name) => write!(f, "{comma}{name}:{port}")?,
                #[cfg(unix)]
                Host::Unix(path) => write!(f, "{comma}{}:{port}", path.display())?,
            }
        }
        write!(f, "/{}", self.config.get_dbname().unwrap_or_default())
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresUrl({self}, pool {})", self.pool)
    }
}

impl PartialEq for PostgresUrl {
    fn eq(&self, other: &Self) -> bool {
        (&self.config, self.pool) == (&other.config, other.pool)
    }
}

impl Eq for PostgresUrl {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let url: PostgresUrl =
            "postgres://me:s3cret@db.example/shop?sslmode=verify-full&pool=3".parse().expect("a URL");
        assert_eq!((url.to_string().as_str(), url.pool), ("postgres://db.example:5432/shop", 3));
        let odd: PostgresUrl = "postgres://me:s3cret?pool=0@db.example/shop?pool=2".parse().expect("a URL");
        assert_eq!((odd.config.get_password(), odd.pool), (Some(b"s3cret?pool=0".as_slice()), 2));
        assert!(!format!("{url:?} {odd:?} {odd}").contains("s3cret"));
        assert!(!format!("{:?}", url.config).contains("s3cret"));
    }

    #[test]
    fn tls_is_spared_on_this_machine_alone() {
        for (text, mode) in [
            ("postgres://u@localhost/d", SslMode::Disable),
            ("postgres://u@127.0.0.1:99/d", SslMode::Disable),
            ("postgres://u@[::1]/d", SslMode::Disable),
            ("postgres://u@%2Frun%2Fpostgresql/d", SslMode::Disable),
            ("postgres://u@db.example/d", SslMode::Require),
            ("postgres://u@localhost,db.example/d", SslMode::Require),
            ("postgres://u@db.example/d?sslmode=disable", SslMode::Disable),
            ("postgres://u@localhost/d?sslmode=require", SslMode::Require),
            ("postgres://u@db.example/d?sslmode=verify-ca", SslMode::Require),
        ] {
            let url = text.parse::<PostgresUrl>().unwrap_or_else(|why| panic!("{text}: {why}"));
            assert_eq!(url.config.get_ssl_mode(), mode, "{text}");
        }
    }

    #[test]
    fn a_wrong_url_says_how_it_is_written_and_repeats_none_of_it() {
        for text in [
            "",
            "postgres:",
            "postgres://",
            "mysql://u:s3cret@x/y",
            "postgres://u:s3cret@x/y?nonsense=1",
            "postgres://u:pa?s3cret=1@x/y?nonsense=1",
            "postgres://u:s3cret@x/y?pool",
            "postgres://:s3cret@x/y",
            "postgres://u:s3cret@x:port/y",
            "postgres://u:s3cret@x/y?sslmode=s3cret",
            "postgres://u@x/y?sslmode=prefer",
            "postgres://u:s3cret@x/y?pool=0",
            "postgres://u:s3cret@x/y?pool=s3cret",
            "postgres://u:pa@s3cret@x/y",
        ] {
            let why = text.parse::<PostgresUrl>().expect_err(text);
            assert!(!why.contains("s3cret"), "{text}: {why}");
        }
    }
}
