//! `[[watch]]`.

use crate::check;

#[test]
fn watches() {
    check(&[
        ("[watch]\nurl = '/u'", "1:1: watch: expected sections [[watch]], in two pairs of brackets, found a table"),
        (
            "[[watch]]",
            "1:1: watch[0].url: missing; add url = \"/last-updated\"\n\
             1:1: watch[0].tags: missing; add tags = { products = \"/products/updated\" }",
        ),
        (
            "[[watch]]\nurl = '/u'\ntags = {}\nevery = '100ms'\nsoft = 1\ntimeout = '1s'",
            "3:8: watch[0].tags: no tag, so nothing could ever be purged; name one, or remove the section\n\
             4:9: watch[0].every: \"100ms\" is too little, because the origin is asked so often, whether anybody uses the cache or not; write \"1s\" or more\n\
             5:8: watch[0].soft: expected true or false, found the integer 1\n\
             6:1: watch[0].timeout: unknown key here; it belongs in [origin], [tiers.l1] or [tiers.l2]",
        ),
        (
            "[[watch]]\nurl = '/u'\ntags = { a = '/a' }\nevery = '2d'\npoll = '1s'",
            "4:9: watch[0].every: \"2d\" is too much; write \"1d\" or less (a ttl would do for what may be so old)\n\
             5:1: watch[0].poll: unknown key here; it belongs in [purge]",
        ),
        (
            "[[watch]]\nurl = '/u'\ntags = { a = '/a' }\n[[watch]]\nurl = '/u'\ntags = { b = '/b' }",
            "5:7: watch[1].url: watched on line 2 already; join the two",
        ),
        (
            "[[watch]]\nurl = '/u'\ntags = { a = 'products.updated', b = '$.b', c = '/~x', d = 1, e = 'a b', \"a b\" = '/a' }",
            "3:14: watch[0].tags.a: a JSON pointer begins with \"/\" (RFC 6901) (did you mean \"/products/updated\"?)\n\
             3:38: watch[0].tags.b: a JSON pointer begins with \"/\" (RFC 6901) (did you mean \"/b\"?)\n\
             3:49: watch[0].tags.c: a \"~\" in a JSON pointer is followed by 0 or 1: \"~0\" is the sign itself, \"~1\" is \"/\" (RFC 6901)\n\
             3:60: watch[0].tags.d: expected a JSON pointer such as \"/products/updated\", found the integer 1\n\
             3:67: watch[0].tags.e: a JSON pointer begins with \"/\" (RFC 6901)\n\
             3:74: watch[0].tags.\"a b\": no tag; it has visible ASCII characters without spaces and commas, at most 256",
        ),
        (
            "[[watch]]\nurl = '/u'\ntags = { product = '/*/a', \"b-*\" = '/b', \"*-*\" = '/*', \"c*\" = '/*/*' }",
            "3:10: watch[0].tags.product: a pointer with \"*\" finds many values, which one tag would not tell apart; have a \"*\" in the tag, too (did you mean \"product-*\"?)\n\
             3:28: watch[0].tags.\"b-*\": one \"*\" in a tag stands for the name of the member that \"*\" in its pointer finds; have one in each, or in neither\n\
             3:42: watch[0].tags.\"*-*\": one \"*\" in a tag stands for the name of the member that \"*\" in its pointer finds; have one in each, or in neither\n\
             3:63: watch[0].tags.\"c*\": one \"*\" in a pointer is all that there may be",
        ),
        (
            "[[watch]]\nurl = 'https://api.example.org/u?a=1'\ntags = { a = '' }",
            "2:7: watch[0].url: nothing but the origin is ever asked; write the path there alone (did you mean \"/u?a=1\"?)",
        ),
        (
            "[[watch]]\nurl = 'u'\ntags = { a = '' }",
            "2:7: watch[0].url: a path begins with \"/\" (did you mean \"/u\"?)",
        ),
        (
            "[[watch]]\nurl = '//u'\ntags = { a = '' }",
            "2:7: watch[0].url: a path has no \"//\" at its beginning, and no \".\" and \"..\"; write what it means",
        ),
        (
            "[[watch]]\nurl = '/a/../u'\ntags = { a = '' }",
            "2:7: watch[0].url: a path has no \"//\" at its beginning, and no \".\" and \"..\"; write what it means",
        ),
        (
            "[[watch]]\nurl = '/u#a'\ntags = { a = '' }",
            "2:7: watch[0].url: '#' is not sent to an origin; remove it, or percent-encode it",
        ),
        (
            "[[watch]]\nurl = '/ü'\ntags = { a = '' }",
            "2:7: watch[0].url: 'ü' is not sent to an origin; remove it, or percent-encode it",
        ),
        (
            "[[route]]\nmatch = '/'\nevery = '1m'\n[[watch]]\nurl = '/u'\ntags = { a = '' }\n[cache]\nwatch = 1\ntags = []",
            "3:1: route[0].every: unknown key here; it belongs in a [[watch]]\n\
             8:1: cache.watch: unknown key here; it belongs at the top, as a section of its own\n\
             9:1: cache.tags: unknown key here; it belongs in a [[route]] or a [[watch]]",
        ),
    ]);
    let long = |text: String| format!("[[watch]]\nurl = '/u'\ntags = {{ a = '/{}' }}\n{text}", "x".repeat(256));
    check(&[(&long(String::new()), "3:14: watch[0].tags.a: longer than 256 bytes; watch something less deep")]);
    let path = format!("[[watch]]\nurl = '/{}'\ntags = {{ a = '/a' }}", "x".repeat(2048));
    check(&[(&path, "2:7: watch[0].url: longer than 2048 bytes; watch a shorter one")]);
    let each = |n| format!("[[watch]]\nurl = '/{n}'\ntags = {{ a = '/a' }}\n");
    check(&[(
        &(0..17).map(each).collect::<String>(),
        "1:1: watch: 17 watches are too many, because each is asked for by itself; name at most 16",
    )]);
    let tags: String = (0..65).map(|n| format!("a{n} = '/a'\n")).collect();
    check(&[(
        &format!("[[watch]]\nurl = '/u'\n[watch.tags]\n{tags}"),
        "3:1: watch[0].tags: more than 64 tags; name fewer, or many at once by a \"*\"",
    )]);
}
