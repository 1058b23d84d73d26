//! Single values, and combinations that nothing could ever reach.

use crate::check;

#[test]
fn durations_and_sizes() {
    check(&[
        (
            "[cache]\ndefault_ttl = ''",
            "2:15: cache.default_ttl: \"\" is no duration; write a whole number and one unit of ms, s, m, h, d",
        ),
        (
            "[cache]\ndefault_ttl = '10'",
            "2:15: cache.default_ttl: \"10\" is no duration; write a whole number and one unit of ms, s, m, h, d (did you mean \"10s\"?)",
        ),
        (
            "[cache]\ndefault_ttl = '10 s'",
            "2:15: cache.default_ttl: \"10 s\" is no duration; write a whole number and one unit of ms, s, m, h, d (did you mean \"10s\"?)",
        ),
        (
            "[cache]\ndefault_ttl = '10S'",
            "2:15: cache.default_ttl: \"10S\" is no duration; write a whole number and one unit of ms, s, m, h, d (did you mean \"10s\"?)",
        ),
        (
            "[cache]\ndefault_ttl = '5min'",
            "2:15: cache.default_ttl: \"5min\" is no duration; write a whole number and one unit of ms, s, m, h, d (did you mean \"5m\"?)",
        ),
        (
            "[cache]\ndefault_ttl = '1.5h'",
            "2:15: cache.default_ttl: \"1.5h\" is no duration; write a whole number and one unit of ms, s, m, h, d",
        ),
        (
            "[cache]\ndefault_ttl = '1h30m'",
            "2:15: cache.default_ttl: \"1h30m\" is no duration; write a whole number and one unit of ms, s, m, h, d",
        ),
        (
            "[cache]\ndefault_ttl = '-1s'",
            "2:15: cache.default_ttl: \"-1s\" is no duration; write a whole number and one unit of ms, s, m, h, d",
        ),
        (
            "[cache]\ndefault_ttl = 's'",
            "2:15: cache.default_ttl: \"s\" is no duration; write a whole number and one unit of ms, s, m, h, d",
        ),
        (
            "[cache]\ndefault_ttl = '2w'",
            "2:15: cache.default_ttl: \"2w\" is no duration; write a whole number and one unit of ms, s, m, h, d",
        ),
        (
            "[cache]\ndefault_ttl = '99999999999999999999d'",
            "2:15: cache.default_ttl: \"99999999999999999999d\" is far too large a duration; write a smaller one",
        ),
        (
            "[cache]\nstale_if_error = '3651d'",
            "2:18: cache.stale_if_error: \"3651d\" is too much; write \"3650d\" or less (that is 10 years)",
        ),
        (
            "[tiers.l2]\nmax_size = '1MB'",
            "2:12: tiers.l2.max_size: \"1MB\" is no size; write a whole number and one unit of B, KiB, MiB, GiB (did you mean \"1MiB\"?)",
        ),
        (
            "[tiers.l2]\nmax_size = '64 mib'",
            "2:12: tiers.l2.max_size: \"64 mib\" is no size; write a whole number and one unit of B, KiB, MiB, GiB (did you mean \"64MiB\"?)",
        ),
        (
            "[tiers.l2]\nmax_size = '1TiB'",
            "2:12: tiers.l2.max_size: \"1TiB\" is no size; write a whole number and one unit of B, KiB, MiB, GiB",
        ),
        (
            "[tiers.l2]\nmax_size = '65MiB'",
            "2:12: tiers.l2.max_size: \"65MiB\" is too much; write \"64MiB\" or less (it is held in memory until it is stored)",
        ),
        (
            "[tiers.l2]\nmax_size = '0B'\nmax_ttl = '0s'\ntimeout = '0ms'",
            "2:12: tiers.l2.max_size: \"0B\" is too little, because the tier could keep nothing; write \"1B\" or more\n\
             3:11: tiers.l2.max_ttl: \"0s\" is too little, because nothing could ever be found in the tier; write \"1s\" or more\n\
             4:11: tiers.l2.timeout: \"0s\" is too little, because nothing could ever answer in time; write \"1ms\" or more",
        ),
        (
            "[tiers.l1]\nwrites = '1000'\nmin_size = '65MiB'",
            "2:10: tiers.l1.writes: no rate; write a whole number above 0, \"/\" and a unit of s, m, h, d, such as \"50/s\"\n\
             3:12: tiers.l1.min_size: \"65MiB\" is too much; write \"64MiB\" or less (no L1 is larger)",
        ),
        (
            "[tiers.l1]\nwrites = '0/m'",
            "2:10: tiers.l1.writes: no rate; write a whole number above 0, \"/\" and a unit of s, m, h, d, such as \"50/s\"",
        ),
        (
            "[tiers.l1]\nwrites = '1/ms'",
            "2:10: tiers.l1.writes: no rate; write a whole number above 0, \"/\" and a unit of s, m, h, d, such as \"50/s\"",
        ),
        (
            "[tiers.l1]\nmax_size = '65MiB'\nmax_ttl = '0s'\ntimeout = '11m'",
            "2:12: tiers.l1.max_size: \"65MiB\" is too much; write \"64MiB\" or less (it is captured in memory before it is stored)\n\
             3:11: tiers.l1.max_ttl: \"0s\" is too little, because nothing could ever be found in the tier; write \"1s\" or more\n\
             4:11: tiers.l1.timeout: \"11m\" is too much; write \"10m\" or less (no client waits longer)",
        ),
        (
            "[tiers.l2]\nmax_ttl = '4000d'",
            "2:11: tiers.l2.max_ttl: \"4000d\" is too much; write \"3650d\" or less (that is 10 years)",
        ),
        (
            "[origin]\ntimeout = '0s'",
            "2:11: origin.timeout: \"0s\" is too little, because nothing could ever answer in time; write \"1ms\" or more",
        ),
    ]);
}

#[test]
fn words_and_numbers() {
    check(&[
        (
            "[cache]\nset_cookie = 'Never'",
            "2:14: cache.set_cookie: \"Never\" is not one of \"never\", \"strip\", \"store\" (did you mean \"never\"?)",
        ),
        (
            "[cache]\nrequest_directives = 'honor'",
            "2:22: cache.request_directives: \"honor\" is not one of \"ignore\", \"honour\" (did you mean \"honour\"?)",
        ),
        (
            "[cache]\ncompress = ['gzip', 'brotli', 'gzip']",
            "2:21: cache.compress[1]: \"brotli\" is no coding; write \"br\", \"zstd\" or \"gzip\"\n\
             2:31: cache.compress[2]: named twice; remove one of the two",
        ),
        (
            "[cache]\ncompress = 'gzip'\ncompress_min_size = '2MiB'",
            "2:12: cache.compress: expected an array of strings, such as [\"br\", \"gzip\"], or [] for none, found a string\n\
             3:21: cache.compress_min_size: \"2MiB\" is too much; write \"1MiB\" or less (no larger content is compressed)",
        ),
        (
            "[cache]\nprofile = 'rfc'",
            "2:11: cache.profile: \"rfc\" is not one of \"safe\", \"rfc9111\" (did you mean \"rfc9111\"?)",
        ),
        (
            "[tiers.l1]\nadmit = 'second_hit'",
            "2:9: tiers.l1.admit: \"second_hit\" is not one of \"auto\", \"always\", \"second-hit\" (did you mean \"second-hit\"?)",
        ),
        (
            "[[route]]\nmatch = '/'\ncache = 'of'",
            "3:9: route[0].cache: \"of\" is not one of \"on\", \"off\", \"only\" (did you mean \"off\"?)",
        ),
        (
            "[cache]\nnegative_ttl = { 200 = '1s', 4xx = '1s', 0404 = '1s', 600 = '1s', 500 = '0s' }",
            "2:18: cache.negative_ttl.200: no error status; for what is no error see default_ttl, and write statuses from 400 to 599\n\
             2:30: cache.negative_ttl.4xx: no status code; write one from 400 to 599\n\
             2:42: cache.negative_ttl.0404: no status code; write one from 400 to 599\n\
             2:55: cache.negative_ttl.600: no error status; for what is no error see default_ttl, and write statuses from 400 to 599\n\
             2:73: cache.negative_ttl.500: \"0s\" stores nothing, as without the key; remove 500",
        ),
        (
            "[cache]\nearly_refresh = -1",
            "2:17: cache.early_refresh: expected a number from 0 to 100, found the integer -1",
        ),
        (
            "[cache]\nearly_refresh = nan",
            "2:17: cache.early_refresh: expected a number from 0 to 100, found the number nan",
        ),
        (
            "[cache]\ncollapse = 'locl'",
            "2:12: cache.collapse: \"locl\" is not one of \"off\", \"local\", \"global\" (did you mean \"local\"?)",
        ),
    ]);
}

#[test]
fn origins() {
    check(&[
        ("[origin]\nurl = ''", "2:7: origin.url: an origin starts with http:// or https://"),
        (
            "[origin]\nurl = 'example.org'",
            "2:7: origin.url: an origin starts with http:// or https:// (did you mean \"https://example.org\"?)",
        ),
        (
            "[origin]\nurl = 'localhost:3000'",
            "2:7: origin.url: an origin starts with http:// or https:// (did you mean \"http://localhost:3000\"?)",
        ),
        ("[origin]\nurl = 'ftp://example.org'", "2:7: origin.url: an origin starts with http:// or https://"),
        ("[origin]\nurl = 'https://'", "2:7: origin.url: the URL has no host; write it as \"https://host\""),
        (
            "[origin]\nurl = 'https://b\u{fc}cher.example/'",
            "2:7: origin.url: a host is written in ASCII; a name in other letters as punycode: \"xn--...\"",
        ),
        (
            "[origin]\nurl = 'https://b%c3%bccher.example/'",
            "2:7: origin.url: not a URL: invalid international domain name",
        ),
        ("[origin]\nurl = 'https:///path'", "2:7: origin.url: the URL has no host; write it as \"https://host\""),
        ("[origin]\nurl = 'https://:443/'", "2:7: origin.url: not a URL: empty host"),
        ("[origin]\nurl = 'http://a b/'", "2:7: origin.url: a URL has no spaces, control characters or backslashes"),
        ("[origin]\nurl = 'http://a\\b/'", "2:7: origin.url: a URL has no spaces, control characters or backslashes"),
        (
            "[origin]\nurl = 'https://user:geheim@example.org'",
            "2:7: origin.url: a URL holds no user name or password; put them into origin.headers as a secret: { authorization = { secret = \"NAME\" } }",
        ),
        (
            "[origin]\nurl = 'https://example.org:0'",
            "2:7: origin.url: port 0 cannot be reached; name the port that the origin listens on",
        ),
        ("[origin]\nurl = 'https://example.org:99999'", "2:7: origin.url: not a URL: invalid port number"),
        (
            "[origin]\nurl = 'https://example.org?key=geheim'",
            "2:7: origin.url: an origin has no query; remove what follows the \"?\"",
        ),
        (
            "[origin]\nurl = 'https://example.org/#'",
            "2:7: origin.url: an origin has no fragment; remove what follows the \"#\"",
        ),
        ("[origin]\nurl = 'https://A%C2%AE.example'", "2:7: origin.url: not a URL: invalid international domain name"),
        ("[origin]\nurl = 'https://[::1'", "2:7: origin.url: not a URL: invalid IPv6 address"),
        (
            "[origin]\ntimeout = '5s'\nconnect_timeout = '10s'",
            "3:19: origin.connect_timeout: longer than origin.timeout (5s), which ends the wait before; lower this or raise that",
        ),
        (
            "[origin]\nconnect_timeout = '40s'",
            "2:19: origin.connect_timeout: longer than origin.timeout (30s), which ends the wait before; lower this or raise that",
        ),
    ]);
}

#[test]
fn headers() {
    check(&[
        (
            "[origin]\nheaders = { Via = '1.1 x', cdn-loop = 'x' }\ncdn_id = 'a b'",
            "2:13: origin.headers.Via: terrace adds its own to this field, for loops to be found; for its name see origin.cdn_id; remove it\n\
             2:28: origin.headers.cdn-loop: terrace adds its own to this field, for loops to be found; for its name see origin.cdn_id; remove it\n\
             3:10: origin.cdn_id: \"a b\" is no name for CDN-Loop; write at most 64 letters, digits and -, such as \"edge-eu\"",
        ),
        (
            "[origin]\nheaders = ['a']",
            "2:11: origin.headers: expected a table such as { \"api-key\" = { secret = \"NAME\" } }, found an array",
        ),
        (
            "[origin.headers]\nHost = 'x'\ncontent-length = '3'\nConnection = 'close'\nte = 'x'\nrange = 'bytes=0-1'",
            "2:1: origin.headers.Host: Host comes from origin.url; remove it\n\
             3:1: origin.headers.content-length: Content-Length follows from the content of each request; remove it\n\
             4:1: origin.headers.Connection: this field belongs to one connection, which the host manages; remove it\n\
             5:1: origin.headers.te: this field belongs to one connection, which the host manages; remove it\n\
             6:1: origin.headers.range: the cache itself asks conditionally and for ranges; remove it",
        ),
        (
            "[origin.headers]\n'a b' = 'x'\n'' = 'x'\n'ä' = 'x'\n'a:' = 'x'",
            "2:1: origin.headers.\"a b\": \"a b\" is no field name; it has letters, digits and - only, such as \"x-api-version\"\n\
             3:1: origin.headers.\"\": \"\" is no field name; it has letters, digits and - only, such as \"x-api-version\"\n\
             4:1: origin.headers.\"ä\": \"ä\" is no field name; it has letters, digits and - only, such as \"x-api-version\"\n\
             5:1: origin.headers.\"a:\": \"a:\" is no field name; it has letters, digits and - only, such as \"x-api-version\"",
        ),
        (
            "[origin.headers]\na = \"x\\r\\ny: z\"\nb = ' x'\nc = 'ä'\nd = 1\ne = \"\\u0000\"",
            "2:5: origin.headers.a: a field's value holds visible ASCII characters and spaces only\n\
             3:5: origin.headers.b: a field's value has no spaces around it; remove them\n\
             4:5: origin.headers.c: a field's value holds visible ASCII characters and spaces only\n\
             5:5: origin.headers.d: expected a string or { secret = \"NAME\" }, found the integer 1\n\
             6:5: origin.headers.e: a field's value holds visible ASCII characters and spaces only",
        ),
        (
            "[origin.headers]\nApi-Key = 'x'\napi-key = 'y'",
            "3:1: origin.headers.api-key: set twice, because case does not count; remove one of the two",
        ),
        (
            "[origin.headers]\na = {}\nb = { secrt = 'A' }\nc = { secret = '' }\nd = { secret = 'a-b' }\ne = { secret = 1 }",
            "2:5: origin.headers.a.secret: missing; add secret = \"NAME\"\n\
             3:5: origin.headers.b.secret: missing; add secret = \"NAME\"\n\
             3:7: origin.headers.b.secrt: unknown key (did you mean \"secret\"?)\n\
             4:16: origin.headers.c.secret: no name of a secret; it is a letter, then letters, digits and _, such as \"ORIGIN_API_KEY\"\n\
             5:16: origin.headers.d.secret: no name of a secret; it is a letter, then letters, digits and _, such as \"ORIGIN_API_KEY\"\n\
             6:16: origin.headers.e.secret: expected the name of a secret, found the integer 1",
        ),
    ]);
}

#[test]
fn what_can_never_be_is_refused() {
    let no_path = "no path that is asked for has \"//\" at its beginning, a backslash, or \".\" and \"..\" as segments: such \
                   requests are refused; write the path that they mean";
    for pattern in ["//x", "/a/../b", "/a/.", "/a\\b"] {
        check(&[(&format!("[[route]]\nmatch = '{pattern}'"), &format!("2:9: route[0].match: {no_path}"))]);
    }
    check(&[
        (
            "[cache]\nnegative_ttl = { 429 = '1s' }",
            "2:18: cache.negative_ttl.429: a response of this status is never stored (RFC 9110 15.5.13, RFC 6585); remove it",
        ),
        (
            "[[route]]\nmatch = '/'\nvary = ['X-Forwarded-For']",
            "3:9: route[0].vary[0]: terrace adds to it, so that the origin sees another value; remove it",
        ),
        (
            "[[route]]\nmatch = '/'\nkey = { tenant = 'header:x-forwarded-host' }",
            "3:18: route[0].key.tenant: it never reaches the origin; remove it",
        ),
    ]);
}

#[test]
fn patterns() {
    check(&[
        ("[[route]]\nttl = '1s'", "1:1: route[0].match: missing; add match = \"/path*\""),
        (
            "[[route]]\nmatch = ''",
            "2:9: route[0].match: a pattern starts with \"/\" or \"*\", because paths start with \"/\"",
        ),
        (
            "[[route]]\nmatch = 'api/*'",
            "2:9: route[0].match: a pattern starts with \"/\" or \"*\", because paths start with \"/\" (did you mean \"/api/*\"?)",
        ),
        (
            "[[route]]\nmatch = 'https://example.org/a'",
            "2:9: route[0].match: a pattern starts with \"/\" or \"*\", because paths start with \"/\"",
        ),
        (
            "[[route]]\nmatch = '/a?b=*'",
            "2:9: route[0].match: a pattern matches the path alone, which has no \"?\"; for one character or more write \"*\", for the query see `query`",
        ),
        (
            "[[route]]\nmatch = '/a b'",
            "2:9: route[0].match: ' ' never stands in what is matched here, so this can never match; percent-encoded it is %20",
        ),
        (
            "[[route]]\nmatch = '/ä'",
            "2:9: route[0].match: 'ä' never stands in what is matched here, so this can never match; percent-encoded it is %C3%A4",
        ),
        (
            "[[route]]\nmatch = '/a#b'",
            "2:9: route[0].match: '#' never stands in what is matched here, so this can never match; percent-encoded it is %23",
        ),
        (
            "[[route]]\nmatch = '/%61'",
            "2:9: route[0].match: percent-encoding is matched in its normal form, so this can never match (did you mean \"/a\"?)",
        ),
        (
            "[[route]]\nmatch = '/%2f'",
            "2:9: route[0].match: percent-encoding is matched in its normal form, so this can never match (did you mean \"/%2F\"?)",
        ),
        (
            "[[route]]\nmatch = '/100%'",
            "2:9: route[0].match: a \"%\" is followed by two hexadecimal digits; for the sign itself write \"%25\"",
        ),
        (
            "[[route]]\nmatch = '/%zz'",
            "2:9: route[0].match: a \"%\" is followed by two hexadecimal digits; for the sign itself write \"%25\"",
        ),
        (
            "[[route]]\nmatch = '/_terrace/*'",
            "2:9: route[0].match: everything under /_terrace is terrace's own and never reaches a route; remove it",
        ),
        (
            "[[route]]\nmatch = '/'\nquery = { ignore = ['a=b', '', 'x', 'x', 'a&b', '%7e'] }",
            "3:21: route[0].query.ignore[0]: '=' never stands in what is matched here, so this can never match; percent-encoded it is %3D\n\
             3:28: route[0].query.ignore[1]: the name of a parameter is missing; write it, or remove the empty string\n\
             3:37: route[0].query.ignore[3]: named twice; remove one of the two\n\
             3:42: route[0].query.ignore[4]: '&' never stands in what is matched here, so this can never match; percent-encoded it is %26\n\
             3:49: route[0].query.ignore[5]: percent-encoding is matched in its normal form, so this can never match (did you mean \"~\"?)",
        ),
        (
            "[[route]]\nmatch = '/'\nvary = ['', 'a b', '*', 'Host', 'A', 'a', 'Range', 'TE']",
            "3:9: route[0].vary[0]: \"\" is no field name; it has letters, digits and - only, such as \"x-api-version\"\n\
             3:13: route[0].vary[1]: \"a b\" is no field name; it has letters, digits and - only, such as \"x-api-version\"\n\
             3:20: route[0].vary[2]: \"*\" would make every request its own object; name the fields\n\
             3:25: route[0].vary[3]: the host is part of the key already; remove it\n\
             3:38: route[0].vary[5]: named twice; remove one of the two\n\
             3:43: route[0].vary[6]: the cache answers conditions and ranges itself; remove it\n\
             3:52: route[0].vary[7]: this field belongs to one connection; remove it",
        ),
    ]);
}

#[test]
fn parts_of_the_key() {
    check(&[
        (
            "[[route]]\nmatch = '/'\nquery = { allow = ['page', 'utm_id'], ignore = ['utm_*'] }",
            "3:19: route[0].query.allow: \"utm_id\" is never let in, because \"utm_*\" of ignore leaves all of it out; remove one of the two",
        ),
        (
            "[[route]]\nmatch = '/'\nquery = { allow = ['page'], ignore = ['utm_*'] }",
            "3:38: route[0].query.ignore: \"utm_*\" has no effect, because allow lets none of it in; remove it",
        ),
        (
            "[[route]]\nmatch = '/'\nkey = { cookies = ['a b', 'x', 'x'], language = ['en_GB', 'EN', 'en'], tenant = 'x-tenant' }",
            "3:20: route[0].key.cookies[0]: \"a b\" is no name of a cookie; it has letters, digits, - and _, such as \"plan\"\n\
             3:32: route[0].key.cookies[2]: named twice; remove one of the two\n\
             3:49: route[0].key.language: \"en\" is named twice, because case does not count; remove one of the two\n\
             3:50: route[0].key.language[0]: \"en_GB\" is no language tag; write one such as \"en\" or \"pt-BR\" (did you mean \"en-GB\"?)\n\
             3:81: route[0].key.tenant: no tenant; write \"header:NAME\" (the host is part of the key already)",
        ),
        (
            "[[route]]\nmatch = '/'\nkey = { tenant = 'header:Host', language = [] }",
            "3:18: route[0].key.tenant: the host is part of the key already; remove it\n\
             3:44: route[0].key.language: no language; name those that the origin has, the one for everybody else first",
        ),
        (
            "[[route]]\nmatch = '/'\nvary = ['Cookie', 'accept-language', 'x']\nkey = { cookies = ['a'], language = ['en'], tenant = 'header:x' }",
            "4:9: route[0].key.cookies: vary has all of cookie in the key already; remove one of the two\n\
             4:26: route[0].key.language: vary has all of accept-language in the key already; remove one of the two\n\
             4:45: route[0].key.tenant: vary has all of x in the key already; remove one of the two",
        ),
    ]);
    check(&[
        (
            "[[route]]\nmatch = '/'\nkey = { methods = ['POST'] }",
            "3:9: route[0].key.methods: has no effect without content; add content = \"64KiB\"",
        ),
        (
            "[[route]]\nmatch = '/'\nkey = { content = '2MiB', methods = ['GET', 'QUERY', 'QUERY'] }",
            "3:19: route[0].key.content: \"2MiB\" is too much; write \"1MiB\" or less (it is held in memory before anything is looked up)\n\
             3:38: route[0].key.methods[0]: the content of \"GET\" is no part of a key; write \"QUERY\" or \"POST\"\n\
             3:54: route[0].key.methods[2]: named twice; remove one of the two",
        ),
        (
            "[[route]]\nmatch = '/'\nkey = { content = '0B', methods = [] }",
            "3:19: route[0].key.content: \"0B\" is too little, because no content would be small enough; write \"1B\" or more\n\
             3:35: route[0].key.methods: no method; write \"QUERY\", \"POST\" or both",
        ),
    ]);
    let many = |n: usize| (0..n).map(|n| format!("'p{n}'")).collect::<Vec<_>>().join(", ");
    let route = |line: String| format!("[[route]]\nmatch = '/'\n{line}");
    let few = [
        (
            format!("query = {{ allow = [{}] }}", many(65)),
            "3:19: route[0].query.allow: 65 are too many, because each request is held against them; write at most 64",
        ),
        (
            format!("vary = [{}]", many(17)),
            "3:8: route[0].vary: 17 are too many, because each request is held against them; write at most 16",
        ),
        (
            format!("key = {{ cookies = [{}] }}", many(17)),
            "3:19: route[0].key.cookies: 17 are too many, because each request is held against them; write at most 16",
        ),
        (
            format!("key = {{ language = [{}] }}", many(33)),
            "3:20: route[0].key.language: 33 are too many, because each request is held against them; write at most 32",
        ),
    ];
    for (line, message) in few {
        check(&[(&route(line), message)]);
    }
}

#[test]
fn what_can_never_be_reached() {
    check(&[
        (
            "[[route]]\nmatch = '/api/*'\n[[route]]\nmatch = '/api/products*'",
            "4:9: route[1].match: can never match: \"/api/*\" on line 2 comes first and covers it; move this route before it, or remove one",
        ),
        (
            "[[route]]\nmatch = '/a'\n[[route]]\nmatch = '/b'\n[[route]]\nmatch = '/a'",
            "6:9: route[2].match: can never match: \"/a\" on line 2 comes first and is the same; join the two, or remove one",
        ),
        (
            "[[route]]\nmatch = '/*'\n[[route]]\nmatch = '*.json'",
            "4:9: route[1].match: can never match: \"/*\" on line 2 comes first and covers it; move this route before it, or remove one",
        ),
        (
            "[[route]]\nmatch = '/a'\ncache = 'off'\nttl = '1s'\nstale_if_error = '1d'\nstale_while_revalidate = '1s'\n\
             vary = ['a']\nquery = {}\ndefault_ttl = '1s'\nnegative_ttl = {}\nprofile = 'safe'\ncollapse = 'off'",
            "4:1: route[0].ttl: has no effect on a route with cache = \"off\"; remove it, or let the route cache\n\
             5:1: route[0].stale_if_error: has no effect on a route with cache = \"off\"; remove it, or let the route cache\n\
             6:1: route[0].stale_while_revalidate: has no effect on a route with cache = \"off\"; remove it, or let the route cache\n\
             7:1: route[0].vary: has no effect on a route with cache = \"off\"; remove it, or let the route cache\n\
             8:1: route[0].query: has no effect on a route with cache = \"off\"; remove it, or let the route cache\n\
             9:1: route[0].default_ttl: has no effect on a route with cache = \"off\"; remove it, or let the route cache\n\
             10:1: route[0].negative_ttl: has no effect on a route with cache = \"off\"; remove it, or let the route cache\n\
             11:1: route[0].profile: has no effect on a route with cache = \"off\"; remove it, or let the route cache\n\
             12:1: route[0].collapse: has no effect on a route with cache = \"off\"; remove it, or let the route cache",
        ),
        (
            "[tiers.l1]\nmax_size = '2MiB'\n[tiers.l2]\nmax_size = '1MiB'",
            "2:12: tiers.l1.max_size: larger than tiers.l2.max_size (1MiB), above which nothing is stored at all; lower this or raise that",
        ),
        (
            "[tiers.l2]\ncapacity = '16MiB'",
            "2:12: tiers.l2.capacity: smaller than tiers.l2.max_size (20MiB), which is one entry; raise this or lower that",
        ),
        (
            "[tiers.l2]\ncapacity = '1KiB'",
            "2:12: tiers.l2.capacity: \"1KiB\" is too little, because the tier could keep next to nothing; write \"64KiB\" or more",
        ),
        ("[tiers.l1]\ncapacity = '1GiB'", "2:1: tiers.l1.capacity: unknown key here; it belongs in [tiers.l2]"),
        ("[tiers.l0]\nmax_ttl = '10s'", "1:1: tiers.l0.size: missing; add size = \"8MiB\""),
        (
            "[tiers.l0]\nsize = '1MiB'\nmax_size = '2MiB'",
            "3:12: tiers.l0.max_size: larger than tiers.l0.size (1MiB), which is all of the tier; lower this or raise that",
        ),
        (
            "[tiers.l0]\nsize = '1GiB'\nmax_ttl = '0s'",
            "2:8: tiers.l0.size: \"1GiB\" is too much; write \"64MiB\" or less (it is in the memory of every instance, of which Workers have 128 MB)\n\
             3:11: tiers.l0.max_ttl: \"0s\" is too little, because nothing could ever be found in the tier; write \"1s\" or more",
        ),
        (
            "[tiers.l1]\nmax_size = '1KiB'\nmin_size = '2KiB'",
            "3:12: tiers.l1.min_size: larger than tiers.l1.max_size (1KiB), so nothing would ever come in; lower this or raise that",
        ),
        (
            "[tiers.l1]\nmax_ttl = '59s'\nadmit = 'second-hit'",
            "2:11: tiers.l1.max_ttl: admit = \"second-hit\" takes only what stays for 60s, so nothing would ever come in; write \"60s\" or more, or admit = \"always\"",
        ),
        (
            "[cache]\ndefault_ttl = '31d'\nnegative_ttl = { 404 = '31d' }\n[[route]]\nmatch = '/'\nttl = '31d'",
            "2:15: cache.default_ttl: \"31d\" is longer than any tier keeps an entry (\"30d\"); lower this or raise max_ttl of [tiers.l2]\n\
             3:24: cache.negative_ttl.404: \"31d\" is longer than any tier keeps an entry (\"30d\"); lower this or raise max_ttl of [tiers.l2]\n\
             6:7: route[0].ttl: \"31d\" is longer than any tier keeps an entry (\"30d\"); lower this or raise max_ttl of [tiers.l2]",
        ),
        (
            "[tiers.l1]\nmax_ttl = '1h'\n[tiers.l2]\nmax_ttl = '1m'\n[cache]\ndefault_ttl = '2h'",
            "6:15: cache.default_ttl: \"2h\" is longer than any tier keeps an entry (\"1h\"); lower this or raise max_ttl of [tiers.l2]",
        ),
    ]);
}

/// The upper bound stands in for a value that is wrong, so that it has no second error elsewhere.
#[test]
fn one_slip_is_one_error() {
    check(&[
        (
            "[tiers.l1]\nmax_size = '24MiB'\n[tiers.l2]\nmax_size = '64'",
            "4:12: tiers.l2.max_size: \"64\" is no size; write a whole number and one unit of B, KiB, MiB, GiB (did you mean \"64B\"?)",
        ),
        (
            "[tiers.l2]\nmax_ttl = '1y'\n[cache]\ndefault_ttl = '300d'",
            "2:11: tiers.l2.max_ttl: \"1y\" is no duration; write a whole number and one unit of ms, s, m, h, d",
        ),
        (
            "[origin]\ntimeout = 60\nconnect_timeout = '40s'",
            "2:11: origin.timeout: expected a duration such as \"30s\", found the integer 60 (did you mean \"60s\"?)",
        ),
        (
            "[tiers.l1]\nmax_ttl = 30\nadmit = 'second-hit'",
            "2:11: tiers.l1.max_ttl: expected a duration such as \"30s\", found the integer 30 (did you mean \"30s\"?)",
        ),
    ]);
}
