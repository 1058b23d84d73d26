//! The store in Redis, or what speaks its protocol (Valkey, Dragonfly). Every worker has one connection, on which the calls of
//! all its requests go out without waiting for each other; a lost one is made anew while the calls meanwhile fail.
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, ConnectionInfo, FromRedisValue, IntoConnectionInfo, cmd};
use std::cell::RefCell;
use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use url::Url;

/// What our keys begin with unless the URL says otherwise.
const PREFIX: &str = "terrace:";
/// The most bytes of a prefix.
const PREFIX_BYTES: usize = 64;
/// The most bytes of a value. A larger one is refused, and read as far as this: it is garbage to the guest.
const VALUE_BYTES: usize = 32 << 20;
/// How long a connection may take to stand, and an answer to come. The guest has a deadline of its own, which is nearer.
const PATIENCE: Duration = Duration::from_secs(1);
/// Calls of one worker that may be under way; more wait, within the guest's deadline.
const UNDER_WAY: usize = 1024;
/// How long a value stays that does not say how long it is of use.
const STAY: Duration = Duration::from_secs(24 * 3600);

/// Reads from a value the time, in milliseconds since 1970, from which it is of no use.
pub type Expiry = fn(&[u8]) -> Option<i64>;

/// `redis://[user:password@]host[:port][/database][?prefix=NAME:]`, or `rediss://` for TLS. Never shown with its password.
#[derive(Clone)]
pub struct RedisUrl {
    shown: String,
    connection: ConnectionInfo,
    prefix: String,
}

impl FromStr for RedisUrl {
    type Err = String;

    /// What is wrong is said without repeating what may hold a password.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut url = Url::parse(text).map_err(|e| format!("no URL: {e}; write redis://host:6379"))?;
        if !matches!(url.scheme(), "redis" | "rediss") || url.host_str().is_none_or(str::is_empty) {
            return Err("write redis://host:6379, or rediss:// for TLS".into());
        }
        let mut prefix = PREFIX.to_owned();
        for (name, value) in url.query_pairs() {
            match &*name {
                "prefix" if value.len() <= PREFIX_BYTES => prefix = value.into_owned(),
                "prefix" => return Err(format!("the prefix is longer than {PREFIX_BYTES} bytes")),
                _ => {
                    return Err(format!(
                        "{name:?} is no option of it; prefix is one: redis://host:6379/0?prefix=shop:"
                    ));
                }
            }
        }
        url.set_query(None);
        if url.fragment().is_some() {
            return Err("a fragment (#) has no meaning in it; write %23 in a password".into());
        }
        let database = url.path().trim_start_matches('/');
        if !database.is_empty() && database.parse::<u16>().is_err() {
            return Err("what follows the host is the number of a database: redis://host:6379/0".into());
        }
        let connection = url.as_str().into_connection_info().map_err(|e| e.to_string())?;
        let _ = url.set_username("");
        let _ = url.set_password(None);
        Ok(RedisUrl { shown: url.to_string(), connection, prefix })
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisUrl({}, prefix {:?})", self.shown, self.prefix)
    }
}

impl PartialEq for RedisUrl {
    fn eq(&self, other: &Self) -> bool {
        let secrets = |url: &RedisUrl| {
            let settings = url.connection.redis_settings();
            (settings.username().map(str::to_owned), settings.password().map(str::to_owned))
        };
        (&self.shown, &self.prefix) == (&other.shown, &other.prefix) && secrets(self) == secrets(other)
    }
}

impl Eq for RedisUrl {}

thread_local! {
    /// The connection of this worker, and the store that it leads to.
    static CONNECTION: RefCell<Option<(u64, ConnectionManager)>> = const { RefCell::new(None) };
}

/// The store.
pub struct Redis {
    id: u64,
    client: Client,
    prefix: String,
    expiry: Option<Expiry>,
}

impl Redis {
    /// A store that connects when it is first asked, so that nothing waits for a server that is down.
    pub fn new(url: &RedisUrl, expiry: Option<Expiry>) -> Result<Self, String> {
        static IDS: AtomicU64 = AtomicU64::new(0);
        let client = Client::open(url.connection.clone()).map_err(|e| e.to_string())?;
        Ok(Redis { id: IDS.fetch_add(1, Relaxed), client, prefix: url.prefix.clone(), expiry })
    }

    /// The value under `key`.
    pub async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, String> {
        // A key that is not there reads as an empty string, which is no value of the guest's either.
        let value: Vec<u8> = self.ask(cmd("GETRANGE").arg(self.key(key)).arg(0).arg(VALUE_BYTES - 1)).await?;
        Ok(Some(value).filter(|value| !value.is_empty()))
    }

    /// Keeps `value` under `key` for as long as it is of use.
    pub async fn set(&self, key: &str, value: &[u8]) -> Result<(), String> {
        if value.len() > VALUE_BYTES {
            return Err(format!(
                "a value of {} bytes is more than the {VALUE_BYTES} that are put into Redis",
                value.len()
            ));
        }
        let stay = self.stay(value, SystemTime::now());
        self.ask(cmd("SET").arg(self.key(key)).arg(value).arg("PX").arg(stay)).await
    }

    /// Forgets `key`.
    pub async fn delete(&self, key: &str) -> Result<(), String> {
        self.ask(cmd("DEL").arg(self.key(key))).await
    }

    /// Whether there is a value under `key`.
    pub async fn contains(&self, key: &str) -> Result<bool, String> {
        self.ask(cmd("EXISTS").arg(self.key(key))).await
    }

    fn key(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// For how many milliseconds a value stays. Counted here: the server's clock may be another.
    fn stay(&self, value: &[u8], now: SystemTime) -> u64 {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let until = self.expiry.and_then(|expiry| expiry(value)).and_then(|until| u128::try_from(until).ok());
        let stay = until.map_or(STAY.as_millis(), |until| until.saturating_sub(now));
        // Redis takes no more than fits a signed number with the time added.
        u64::try_from(stay.clamp(1, 100 * 365 * 24 * 3600 * 1000)).unwrap_or(1)
    }

    async fn ask<T: FromRedisValue>(&self, command: &redis::Cmd) -> Result<T, String> {
        let mut connection = self.connection()?;
        // Of a server that refuses, its words; never the URL.
        command.query_async(&mut connection).await.map_err(|e| format!("Redis: {e}"))
    }

    fn connection(&self) -> Result<ConnectionManager, String> {
        CONNECTION.with_borrow_mut(|slot| match slot {
            Some((id, connection)) if *id == self.id => Ok(connection.clone()),
            _ => {
                let config = ConnectionManagerConfig::new()
                    // The next call tries again; no call waits for several attempts.
                    .set_number_of_retries(0)
                    .set_connection_timeout(Some(PATIENCE))
                    .set_response_timeout(Some(PATIENCE))
                    .set_concurrency_limit(UNDER_WAY);
                let connection = ConnectionManager::new_lazy_with_config(self.client.clone(), config);
                let connection = connection.map_err(|e| format!("Redis: {e}"))?;
                *slot = Some((self.id, connection.clone()));
                Ok(connection)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart_and_its_password_never_shown() {
        let url: RedisUrl = "rediss://me:s3cret@cache.example:7000/2?prefix=shop:".parse().expect("a URL");
        assert_eq!(url.to_string(), "rediss://cache.example:7000/2");
        assert!(!format!("{url:?} {url}").contains("s3cret"));
        assert_eq!(url.prefix, "shop:");
        let settings = url.connection.redis_settings();
        assert_eq!((settings.username(), settings.password(), settings.db()), (Some("me"), Some("s3cret"), 2));
        assert_eq!("redis://x".parse::<RedisUrl>().expect("a URL").prefix, PREFIX);
    }

    #[test]
    fn a_wrong_url_is_refused_without_its_password() {
        for text in [
            "redis://",
            "redis:",
            "http://:s3cret@x",
            "redis://:s3cret@x/shop",
            "redis://:s3cret@x?db=1",
            "redis://:s3cret@x:port",
            "redis://:s3cret@x/0#f",
        ] {
            let why = text.parse::<RedisUrl>().expect_err(text);
            assert!(!why.contains("s3cret"), "{text}: {why}");
        }
    }

    #[test]
    fn a_value_stays_as_long_as_it_says_and_a_day_if_it_says_nothing() {
        let url: RedisUrl = "redis://x".parse().expect("a URL");
        let store = Redis::new(&url, Some(|value| (value != b"?").then_some(61_000))).expect("a store");
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(store.stay(b"v", at(60)), 1000);
        assert_eq!(store.stay(b"v", at(62)), 1);
        assert_eq!(store.stay(b"?", at(62)), 86_400_000);
    }
}
