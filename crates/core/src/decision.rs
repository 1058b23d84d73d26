//! The vocabulary of decisions: what was decided, and why. Rules and upstream speak it; `report/` prints it.
//!
//! Each variant says one thing once; its RFC section stands beside it. `as_str` is what Cache-Status, logs and metrics print.

/// A tier of the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tier {
    /// The memory of the instance.
    L0,
    /// The key-value store.
    L1,
    /// The SQL store.
    L2,
}

impl Tier {
    /// `L0`, `L1` or `L2`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Tier::L0 => "L0",
            Tier::L1 => "L1",
            Tier::L2 => "L2",
        }
    }
}

macro_rules! reasons {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }
        impl $name {
            /// Every variant.
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];
            /// The reason as it is printed.
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }
        }
    };
}

reasons! {
    /// Why a response was not stored (RFC 9111 3).
    NotStored {
        /// Its method is neither GET nor stored otherwise (RFC 9111 3).
        Method = "method",
        /// Its status is not final, or not one that may be stored (RFC 9111 3).
        Status = "status",
        /// no-store in the response (RFC 9111 5.2.2.5).
        NoStore = "no-store",
        /// no-store in the request, where it is honoured (RFC 9111 5.2.1.5).
        RequestNoStore = "request-no-store",
        /// private in the response (RFC 9111 5.2.2.7).
        Private = "private",
        /// The request had Authorization and the response does not allow it (RFC 9111 3.5).
        Authorization = "authorization",
        /// The response sets a cookie and the route does not store such responses.
        SetCookie = "set-cookie",
        /// `Vary: *` (RFC 9111 4.1).
        VaryStar = "vary-star",
        /// It would never be fresh and has no validator: nothing to reuse.
        NoFreshness = "no-freshness",
        /// The content is larger than any tier takes.
        TooLarge = "too-large",
        /// The content was cut, or its length is not what Content-Length said (RFC 9111 3.3).
        Incomplete = "incomplete",
        /// A 206 that says not which part of what it is, or whose fields are not all there (RFC 9111 3.3).
        Partial = "partial",
        /// must-understand, and the status is not understood (RFC 9111 5.2.2.3).
        NotUnderstood = "must-understand",
        /// Neither tier takes anything just now: each is down, or refuses writes. It is tried all the same.
        NoTier = "no-tier",
        /// The route does not cache.
        RouteOff = "route-off",
    }
}

reasons! {
    /// Why a response that is stored is not written to L1: it stays in L2.
    NotAdmitted {
        /// It is larger than L1 takes.
        TooLarge = "too-large",
        /// It is smaller than what is worth a write.
        TooSmall = "too-small",
        /// It will not be fresh long enough for the write to pay.
        SoonStale = "soon-stale",
        /// It was not asked for again in the time that L1 would keep it.
        NotAskedAgain = "not-asked-again",
        /// The key was just written, and a write more would be refused, or show nothing new.
        JustWritten = "just-written",
        /// The budget of writes is spent.
        Budget = "budget",
    }
}

reasons! {
    /// Why a response is stored as it came, and not compressed.
    NotCompressed {
        /// The route compresses nothing, or the platform in none of its codings.
        Off = "off",
        /// It is no 200.
        Status = "status",
        /// no-transform in the response (RFC 9110 7.7, RFC 9111 5.2.2.6).
        NoTransform = "no-transform",
        /// It has a content coding already (RFC 9110 8.4).
        Encoded = "encoded",
        /// The origin negotiates the coding itself: Accept-Encoding in Vary (RFC 9110 12.5.5).
        Negotiated = "negotiated",
        /// A digest or signature of the content came with it, and would no longer be true (RFC 9530 2, 3).
        Digest = "digest",
        /// Its media type is none of text.
        MediaType = "media-type",
        /// Its content is too small to be worth it.
        TooSmall = "too-small",
        /// Its content is larger than what is compressed.
        TooLarge = "too-large",
    }
}

reasons! {
    /// Why a stored response was removed from L2.
    Removed {
        /// The time for which it is kept is over.
        Over = "over",
        /// Others are of more worth, and there is not room for all.
        Evicted = "evicted",
    }
}

reasons! {
    /// Why a stored response may not be used without asking the origin (RFC 9111 4).
    MustValidate {
        /// Its freshness lifetime is over (RFC 9111 4.2).
        Stale = "stale",
        /// no-cache in the response (RFC 9111 5.2.2.4).
        NoCache = "no-cache",
        /// no-cache in the request, where it is honoured (RFC 9111 5.2.1.4).
        RequestNoCache = "request-no-cache",
        /// Older than the request's max-age (RFC 9111 5.2.1.1).
        RequestMaxAge = "request-max-age",
        /// Not fresh for as long as the request's min-fresh asks (RFC 9111 5.2.1.3).
        RequestMinFresh = "request-min-fresh",
    }
}

reasons! {
    /// Why a request does not share one fetch with others (RFC 9111 4).
    NotCollapsed {
        /// `collapse = "off"`.
        Off = "off",
        /// It asks for a part, which the answer to another request need not hold (RFC 9110 14.2).
        Range = "range",
        /// It has Authorization, and nothing is stored for its URL yet: what comes is as a rule its own (RFC 9111 3.5).
        Authorization = "authorization",
        /// It asks for what is newer than itself (RFC 9111 5.2.1.1, 5.2.1.4).
        Reload = "reload",
        /// It is a HEAD, and nobody is at it: what comes could answer no GET (RFC 9110 9.3.2).
        Head = "head",
        /// What came is a part.
        Partial = "partial",
        /// What came must be validated by each request: no-cache, or stale when it comes (RFC 9111 5.2.2.4).
        NotFresh = "not-fresh",
        /// What came could not be stored.
        NotStored = "not-stored",
        /// So many requests wait already that it is not kept waiting.
        Crowded = "crowded",
        /// It has waited for as long as one may.
        Waited = "waited",
    }
}

reasons! {
    /// Why a request went to the origin: the values of `fwd` (RFC 9211 2.2).
    Forward {
        /// The cache was not used for it.
        Bypass = "bypass",
        /// Its method is not one that is answered from a cache.
        Method = "method",
        /// Nothing is stored for the URL.
        UriMiss = "uri-miss",
        /// Something is stored for the URL, but no variant that the request selects.
        VaryMiss = "vary-miss",
        /// A fresh response is stored, but the request's directives ask for more.
        Request = "request",
        /// What is stored is stale, or must be validated.
        Stale = "stale",
        /// What is stored is not the part that was asked for.
        Partial = "partial",
    }
}

reasons! {
    /// Why stale content was served (RFC 9111 4.2.4, RFC 5861).
    ServedStale {
        /// Within stale-while-revalidate; a refresh runs in the background.
        WhileRevalidate = "stale-while-revalidate",
        /// The origin failed, within stale-if-error.
        IfError = "stale-if-error",
        /// The request's max-stale allows it (RFC 9111 5.2.1.2).
        RequestMaxStale = "request-max-stale",
        /// The route never fetches.
        Offline = "offline",
    }
}

reasons! {
    /// Errors that we make ourselves: the error types of RFC 9209 2.3 and our status codes.
    Failure {
        /// The origin's name could not be resolved: 502.
        DnsError = "dns_error",
        /// No connection in time: 504.
        ConnectionTimeout = "connection_timeout",
        /// Nobody listens: 502.
        ConnectionRefused = "connection_refused",
        /// The connection closed early: 502.
        ConnectionTerminated = "connection_terminated",
        /// No connection is left for us to open: 503.
        ConnectionLimitReached = "connection_limit_reached",
        /// No response in time: 504.
        HttpResponseTimeout = "http_response_timeout",
        /// TLS failed: 502.
        TlsError = "tls_protocol_error",
        /// Not HTTP: 502.
        HttpProtocolError = "http_protocol_error",
        /// The platform does not let us go there: 502.
        DestinationIpProhibited = "destination_ip_prohibited",
        /// The configuration or a secret is missing: 500.
        ProxyConfigurationError = "proxy_configuration_error",
        /// only-if-cached, or an offline route, and nothing usable is stored: 504 (RFC 9111 5.2.1.7).
        OnlyIfCached = "only-if-cached",
        /// The request was sent by this deployment before: 508 (RFC 8586 2).
        LoopDetected = "proxy_loop_detected",
        /// Too much content waits for slow readers: 503.
        Overloaded = "proxy_internal_error",
        /// The request is malformed: 400.
        BadRequest = "http_request_error",
    }
}

reasons! {
    /// Why a watched document says nothing of what has changed, and what to do about it.
    Unread {
        /// The origin gave no answer.
        Failed = "the origin gave no answer: see whether it is up",
        /// It gave another one.
        Status = "the answer is no 200: see whether `url` is right, and whether it needs a field of origin.headers",
        /// It came in a content coding that is not gzip, or not to be undone, though none was asked for (RFC 9110 12.5.3).
        Encoded = "it came in a content coding that was not asked for: have the origin send it as it is, or in gzip",
        /// It was cut, is larger than what is read, or there was no memory for it.
        NotWhole = "it did not come whole, or is larger than 256 KiB: watch a smaller document",
        /// It is no JSON (RFC 8259).
        NotJson = "it is no JSON: watch a document that is",
        /// Its values are more than can be remembered.
        TooMany = "its pointers find more than 1024 values: watch fewer",
        /// The purge was not accepted.
        NotPurged = "L2 did not take the purge: see whether it is up",
    }
}

/// The outcome of one request: all that the report fields are printed from.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Answered from a tier, fresh or stale, without waiting for the origin.
    Hit {
        /// Where it was.
        tier: Tier,
        /// Remaining freshness in whole seconds; negative where stale (RFC 9211 2.4).
        ttl: i64,
        /// Set where it was stale.
        stale: Option<ServedStale>,
    },
    /// The origin was asked.
    Forwarded {
        /// Why.
        why: Forward,
        /// Detail of `why`, where there is one.
        detail: Option<&'static str>,
        /// What the origin answered; `None` where it gave no response.
        status: Option<u16>,
        /// Whether the response was (is being) stored, or why not. `None` where storing was not in question.
        stored: Option<Result<(), NotStored>>,
        /// Set where the client got a stored response that the origin confirmed (a 304) or a stale one because the origin failed.
        from: Option<(Tier, Option<ServedStale>)>,
    },
    /// Another request asked the origin, and this one shares in what came of it: `collapsed` (RFC 9211 2.6).
    Collapsed {
        /// Why it would have asked.
        why: Forward,
        /// What the origin answered; `None` where it gave no response.
        status: Option<u16>,
        /// As in [`Outcome::Forwarded`].
        from: Option<(Tier, Option<ServedStale>)>,
    },
    /// We answered with an error of our own.
    Failed {
        /// Which.
        failure: Failure,
        /// Why the origin was asked, where it was.
        why: Option<Forward>,
    },
    /// The same, where another request asked the origin.
    CollapsedFailure {
        /// Which.
        failure: Failure,
        /// Why it would have asked.
        why: Forward,
    },
}
