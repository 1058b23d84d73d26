//! The servers that a guest may connect to by itself, a pool for each.
use super::PostgresUrl;
use super::server::{Home, Shared};
use crate::outbound::Policy;
use deadpool_postgres::RecyclingMethod;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The most addresses that there are pools for, as in Spin.
const ADDRESSES: usize = 16;

/// The servers, as the guest's addresses name them.
pub struct Servers {
    allowed: Policy,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    servers: BTreeMap<String, Arc<Shared>>,
    /// Begun with the first of them.
    home: Option<Home>,
}

impl Servers {
    /// None yet, and only those that the policy allows.
    pub fn new(allowed: Policy) -> Self {
        Servers { allowed, known: Mutex::default() }
    }

    /// The server at this address; why not, if it is none, or none that the guest may connect to.
    pub fn at(&self, address: &str) -> Result<Arc<Shared>, String> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = known.servers.get(address) {
            return Ok(server.clone());
        }
        let url: PostgresUrl = address.parse()?;
        for server in url.servers()? {
            if !self.allowed.allows_server(&server) {
                return Err(format!("address {server} is not permitted"));
            }
        }
        if known.servers.len() >= ADDRESSES {
            return Err(format!("there are {ADDRESSES} other addresses already"));
        }
        if known.home.is_none() {
            known.home = Some(Home::new().map_err(|why| why.to_string())?);
        }
        let Known { servers, home: Some(home) } = &mut *known else {
            return Err("the host is ending".into());
        };
        // As in Spin: what a guest leaves behind in a session is none of the next one's.
        let server =
            Shared::new(home, &url, url.config.clone(), RecyclingMethod::Clean).map_err(|why| why.to_string())?;
        servers.insert(address.to_owned(), server.clone());
        Ok(server)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_allowed_is_connected_to() {
        let policy = Policy::new(&["postgres://127.0.0.1:5433".into(), "http://127.0.0.1:80".into()]);
        let servers = Servers::new(policy.expect("a policy"));
        let url = "postgres://u:s3cret@127.0.0.1:5433/d?sslmode=disable";
        let first = servers.at(url).expect("allowed");
        assert!(Arc::ptr_eq(&first, &servers.at(url).expect("known")));
        for url in [
            "postgres://u:s3cret@127.0.0.1:5432/d",
            "postgres://u:s3cret@127.0.0.1/d",
            "postgres://u:s3cret@127.0.0.1:80/d",
            "postgres://u:s3cret@127.0.0.1:5433,127.0.0.2:5433/d",
            "postgres://u:s3cret@127.0.0.1:5433/d?hostaddr=127.0.0.2",
            "postgres://u:s3cret@%2Frun%2Fpostgresql/d",
            "127.0.0.1:5433",
        ] {
            let why = servers.at(url).err().expect(url);
            assert!(!why.contains("s3cret"), "{why}");
        }
    }

    #[test]
    fn there_is_an_end_to_the_pools() {
        let servers = Servers::new(Policy::new(&["postgres://127.0.0.1:5432".into()]).expect("a policy"));
        let at = |n: usize| servers.at(&format!("postgres://u{n}@127.0.0.1:5432/d"));
        assert!((0..ADDRESSES).all(|n| at(n).is_ok()));
        assert!(at(ADDRESSES).is_err() && at(0).is_ok());
    }
}
