//! Keys, types, and the TOML itself.

use crate::check;

#[test]
fn unknown_keys() {
    check(&[
        ("[orgin]", "1:2: orgin: unknown key (did you mean \"origin\"?)"),
        ("[routes]", "1:2: routes: unknown key (did you mean \"route\"?)"),
        (
            "[cache]\nbanana = 1",
            "2:1: cache.banana: unknown key; the keys here are default_ttl, negative_ttl, stale_while_revalidate, stale_if_error, profile, set_cookie, request_directives, compress, compress_min_size, early_refresh, collapse",
        ),
        (
            "[cache]\nttl = '1s'\nvary = []",
            "2:1: cache.ttl: unknown key here; it belongs in a [[route]]\n\
             3:1: cache.vary: unknown key here; it belongs in a [[route]]",
        ),
        (
            "[origin]\ndefault_ttl = '1s'",
            "2:1: origin.default_ttl: unknown key here; it belongs in [cache] or a [[route]]",
        ),
        ("default_ttl = '1s'", "1:1: default_ttl: unknown key here; it belongs in [cache] or a [[route]]"),
        (
            "[[route]]\nmatch = '/'\ntimeout = '1s'\nmax_size = '1B'",
            "3:1: route[0].timeout: unknown key here; it belongs in [origin], [tiers.l1] or [tiers.l2]\n\
             4:1: route[0].max_size: unknown key here; it belongs in [tiers.l0], [tiers.l1] or [tiers.l2]",
        ),
        ("[cache.origin]", "1:8: cache.origin: unknown key here; it belongs at the top, as a section of its own"),
        (
            "[tiers.l3]\n[tiers.l1]\nadmitt = 'auto'\n[tiers.l2]\nadmit = 'auto'",
            "1:8: tiers.l3: unknown key (did you mean \"l0\"?)\n\
             3:1: tiers.l1.admitt: unknown key (did you mean \"admit\"?)\n\
             5:1: tiers.l2.admit: unknown key here; it belongs in [tiers.l1]",
        ),
        (
            "[[route]]\nmatch = '/'\nquery = { ignored = [] }",
            "3:11: route[0].query.ignored: unknown key (did you mean \"ignore\"?)",
        ),
        (
            "[cache]\n\"a b\" = 1\n\"\" = 2",
            "2:1: cache.\"a b\": unknown key; the keys here are default_ttl, negative_ttl, stale_while_revalidate, stale_if_error, profile, set_cookie, request_directives, compress, compress_min_size, early_refresh, collapse\n\
             3:1: cache.\"\": unknown key; the keys here are default_ttl, negative_ttl, stale_while_revalidate, stale_if_error, profile, set_cookie, request_directives, compress, compress_min_size, early_refresh, collapse",
        ),
    ]);
}

#[test]
fn wrong_types() {
    check(&[
        (
            "cache = 'on'\norigin = []\ntiers = 1.5\nroute = true",
            "1:9: cache: expected a section [cache], found a string\n\
             2:10: origin: expected a section [origin], found an array\n\
             3:9: tiers: expected sections [tiers.l0], [tiers.l1] and [tiers.l2], found the number 1.5\n\
             4:9: route: expected sections [[route]], in two pairs of brackets, found true",
        ),
        ("[route]\nmatch = '/'", "1:1: route: expected sections [[route]], in two pairs of brackets, found a table"),
        (
            "[[cache]]\n[[origin]]",
            "1:1: cache: expected a section [cache], found an array\n\
             2:1: origin: expected a section [origin], found an array",
        ),
        (
            "route = [1, 'x']",
            "1:10: route[0]: expected a section [[route]], found the integer 1\n\
             1:13: route[1]: expected a section [[route]], found a string",
        ),
        (
            "[cache]\ndefault_ttl = 30\nstale_if_error = 1.5\nprofile = 1\nset_cookie = false",
            "2:15: cache.default_ttl: expected a duration such as \"30s\", found the integer 30 (did you mean \"30s\"?)\n\
             3:18: cache.stale_if_error: expected a duration such as \"30s\", found the number 1.5\n\
             4:11: cache.profile: expected one of \"safe\", \"rfc9111\", found the integer 1\n\
             5:14: cache.set_cookie: expected one of \"never\", \"strip\", \"store\", found false",
        ),
        (
            "[cache]\nnegative_ttl = '1s'",
            "2:16: cache.negative_ttl: expected a table such as { 404 = \"10s\" }, found a string",
        ),
        (
            "[cache]\nnegative_ttl = { 404 = 10 }\ndefault_ttl = 2026-01-01",
            "2:24: cache.negative_ttl.404: expected a duration such as \"30s\", found the integer 10 (did you mean \"10s\"?)\n\
             3:15: cache.default_ttl: expected a duration such as \"30s\", found a date",
        ),
        (
            "[[route]]\nmatch = 1\ncache = true\nvary = 'x'\nquery = { sort = 1, ignore = 'a' }",
            "2:9: route[0].match: expected a pattern such as \"/api/*\", found the integer 1\n\
             3:9: route[0].cache: expected one of \"on\", \"off\", \"only\", found true (did you mean \"on\"?)\n\
             4:8: route[0].vary: expected an array of strings, such as [\"accept-language\"], found a string\n\
             5:18: route[0].query.sort: expected true or false, found the integer 1\n\
             5:30: route[0].query.ignore: expected an array of strings, such as [\"utm_*\"], found a string",
        ),
        (
            "[[route]]\nmatch = '/'\nquery = 'sort'",
            "3:9: route[0].query: expected a table such as { ignore = [\"utm_*\"], sort = true }, found a string",
        ),
        (
            "[tiers]\nl1 = 1\nl2 = []",
            "2:6: tiers.l1: expected a section [tiers.l1], found the integer 1\n\
             3:6: tiers.l2: expected a section [tiers.l2], found an array",
        ),
        (
            "[tiers.l1]\nmax_size = 1024\ntimeout = -5\nmax_ttl = 0x1f",
            "2:12: tiers.l1.max_size: expected a size such as \"1MiB\", found the integer 1024 (did you mean \"1024B\"?)\n\
             3:11: tiers.l1.timeout: expected a duration such as \"30s\", found the integer -5\n\
             4:11: tiers.l1.max_ttl: expected a duration such as \"30s\", found the integer 0x1f",
        ),
    ]);
}

#[test]
fn broken_toml() {
    check(&[
        ("[cache", "1:7: TOML syntax: unclosed table, expected `]`"),
        ("cache", "1:6: TOML syntax: key with no value, expected `=`"),
        ("[cache]\ndefault_ttl = 1s", "2:15: TOML syntax: string values must be quoted, expected literal string"),
        ("[cache]\ndefault_ttl = \"1s\nprofile = 'safe'", "2:18: TOML syntax: invalid basic string, expected `\"`"),
        (
            "a = \n b= 'x\n[c\n",
            "1:5: TOML syntax: string values must be quoted, expected literal string\n\
             2:7: TOML syntax: invalid literal string, expected `'`\n\
             3:3: TOML syntax: unclosed table, expected `]`",
        ),
    ]);
}

#[test]
fn duplicates() {
    check(&[
        (
            "[cache]\nprofile = 'safe'\nprofile = 'safe'",
            "3:1: cache.profile: duplicate key, first on line 2; keep one of the two",
        ),
        (
            "[cache]\n[cache]\nbanana = 1",
            "2:2: cache: duplicate key; keep one of the two\n\
             3:1: cache.banana: unknown key; the keys here are default_ttl, negative_ttl, stale_while_revalidate, stale_if_error, profile, set_cookie, request_directives, compress, compress_min_size, early_refresh, collapse",
        ),
        (
            "[tiers.l1]\ntimeout = '1s'\n[tiers.l2]\ntimeout = '1s'\n'timeout' = '2s'\n[tiers.l1]",
            "5:1: tiers.l2.timeout: duplicate key, first on line 4; keep one of the two\n\
             6:8: tiers.l1: duplicate key; keep one of the two",
        ),
        (
            "[[route]]\nmatch = '/a'\n[[route]]\nmatch = '/b'\nquery = { sort = true, sort = false }",
            "5:24: route[1].query.sort: duplicate key, first on line 5; keep one of the two",
        ),
    ]);
}

#[test]
fn not_supported_yet() {
    check(&[
        (
            "[origin]\nretry = { attempts = 2, budget = 0.1 }\nbreaker = { failures = 5, window = '10s', open = '30s' }\n\
             pace = { rate = '50/s', burst = 20 }\n[cache]\nearly_refresh = 1.0\ncollapse = 'local'\n[purge]\npoll = '5s'\n\
             [[route]]\nmatch = '/a'\ntags = ['a']\ncollapse = 'global'\nearly_refresh = 1\norigin = { timeout = '1s' }\n\
             tiers.l1.max_ttl = '1m'\npurge = {}\n[gateway]\n[admin]",
            "2:1: origin.retry: not supported yet; remove it\n\
             3:1: origin.breaker: not supported yet; remove it\n\
             4:1: origin.pace: not supported yet; remove it\n\
             15:1: route[0].origin: not supported yet; remove it\n\
             16:1: route[0].tiers: not supported yet; remove it\n\
             17:1: route[0].purge: not supported yet; remove it\n\
             18:2: gateway: not supported yet; remove it",
        ),
        (
            "[origin]\nretry = { atempts = 0, budget = 2 }\nbreaker = 5\npace = { rate = '50', burst = 0 }",
            "2:1: origin.retry: not supported yet; remove it\n\
             2:11: origin.retry.atempts: unknown key (did you mean \"attempts\"?)\n\
             2:33: origin.retry.budget: expected a number from 0 to 1, found the integer 2\n\
             3:1: origin.breaker: not supported yet; remove it\n\
             3:11: origin.breaker: expected a table such as { failures = 5, window = \"10s\", open = \"30s\" }, found the integer 5\n\
             4:1: origin.pace: not supported yet; remove it\n\
             4:17: origin.pace.rate: no rate; write a whole number above 0, \"/\" and a unit of s, m, h, d, such as \"50/s\"\n\
             4:31: origin.pace.burst: expected a whole number from 1 to 1000000000, found the integer 0",
        ),
        ("[purge]\npol = '5s'", "2:1: purge.pol: unknown key (did you mean \"poll\"?)"),
        (
            "[admin]\ntoken = 'geheim'",
            "2:9: admin.token: a token never stands in the file; write { secret = \"NAME\" }",
        ),
        ("[admin]\ntoken = { secret = 'A', x = 1 }", "2:25: admin.token.x: unknown key; the keys here are secret"),
        (
            "[gateway]\ncors = { origins = ['https://a.example/', '*', 1], methods = ['get'], max_age = 1 }\n\
             max_in_flight = 0\nutilization = 67\nqueue = { depth = 1, wait = '1x', deep = 1 }\n\
             rate = [{ key = 'ip' }, { key = 'head:x', limit = '0/m' }, { key = 'header:a b', limit = '1/w' }]\n\
             auth = { jwt = { issuer = '' }, api = 1 }",
            "1:2: gateway: not supported yet; remove it\n\
             2:21: gateway.cors.origins[0]: a browser's origin has no path; write scheme, host and port alone\n\
             2:48: gateway.cors.origins[2]: expected a string, found the integer 1\n\
             2:63: gateway.cors.methods[0]: no method; write it in capitals, such as \"GET\"\n\
             2:81: gateway.cors.max_age: expected a duration such as \"30s\", found the integer 1 (did you mean \"1s\"?)\n\
             3:17: gateway.max_in_flight: expected a whole number from 1 to 1000000000, found the integer 0\n\
             4:15: gateway.utilization: expected a number from 0.01 to 1, found the integer 67\n\
             5:29: gateway.queue.wait: \"1x\" is no duration; write a whole number and one unit of ms, s, m, h, d\n\
             5:35: gateway.queue.deep: unknown key; the keys here are depth, wait\n\
             6:9: gateway.rate[0].limit: missing; add limit = \"1000/m\"\n\
             6:33: gateway.rate[1].key: no key of a rate; write \"ip\" or \"header:NAME\"\n\
             6:51: gateway.rate[1].limit: no rate; write a whole number above 0, \"/\" and a unit of s, m, h, d, such as \"50/s\"\n\
             6:68: gateway.rate[2].key: \"a b\" is no field name; it has letters, digits and - only, such as \"x-api-version\"\n\
             6:90: gateway.rate[2].limit: no rate; write a whole number above 0, \"/\" and a unit of s, m, h, d, such as \"50/s\"\n\
             7:16: gateway.auth.jwt.jwks: missing; add jwks = \"https://...\"\n\
             7:27: gateway.auth.jwt.issuer: empty; write a name or remove the key\n\
             7:33: gateway.auth.api: unknown key; the keys here are jwt",
        ),
        (
            "[[route]]\nmatch = '/'\ntags = ['a,b', '']\norigin = { urll = 1 }\ntiers = { l1 = { max_size = 1 } }",
            "3:9: route[0].tags[0]: no tag; it has visible ASCII characters without spaces and commas, at most 256\n\
             3:16: route[0].tags[1]: no tag; it has visible ASCII characters without spaces and commas, at most 256\n\
             4:1: route[0].origin: not supported yet; remove it\n\
             4:12: route[0].origin.urll: unknown key (did you mean \"url\"?)\n\
             5:1: route[0].tiers: not supported yet; remove it\n\
             5:29: route[0].tiers.l1.max_size: expected a size such as \"1MiB\", found the integer 1 (did you mean \"1B\"?)",
        ),
    ]);
}
