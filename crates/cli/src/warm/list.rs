//! Which URLs are to be warmed: a list of lines, or a sitemap (sitemaps.org), which may be an index of others.

use crate::client::{Web, cause};
use crate::failure::Failure;
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use http_body_util::{BodyExt, Full, Limited};
use quick_xml::Reader;
use quick_xml::events::Event;
use std::collections::{HashSet, VecDeque};
use std::io::Read;
use std::time::Duration;
use url::Url;

/// The most URLs of one run.
pub const MAX_URLS: usize = 1_000_000;

/// The longest line of a list, in bytes.
const MAX_LINE: usize = 8192;

/// The largest sitemap, in bytes, and unpacked: what the protocol allows.
const MAX_SITEMAP: usize = 50 << 20;

/// The most sitemaps of one index, and of the indexes in it.
const MAX_SITEMAPS: usize = 1_000;

/// How long one sitemap may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The URLs of a list: one in each line, or a path from `/` on. Empty lines and those that begin with `#` say nothing. `name` is what the list
/// is called in errors.
pub fn lines(name: &str, text: &str) -> Result<Vec<String>, Failure> {
    let mut urls = Vec::new();
    for (n, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Err(why) = acceptable(line) {
            return Err(Failure::no(format!("{name}:{}: {why}", n + 1)));
        }
        urls.push(line.to_string());
    }
    bounded(name, urls)
}

fn acceptable(line: &str) -> Result<(), String> {
    if line.len() > MAX_LINE {
        return Err(format!("a URL has at most {MAX_LINE} bytes"));
    }
    if line.starts_with('/') && !line.starts_with("//") {
        return Ok(());
    }
    match Url::parse(line) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(()),
        _ => Err(format!("no URL: {line:?}; write https://host/path, or a path from / on")),
    }
}

fn bounded(name: &str, urls: Vec<String>) -> Result<Vec<String>, Failure> {
    if urls.len() > MAX_URLS {
        return Err(Failure::no(format!("{name} has more than {MAX_URLS} URLs: split it")));
    }
    // Each once, in their order.
    let mut seen = HashSet::new();
    Ok(urls.into_iter().filter(|url| seen.insert(url.clone())).collect())
}

/// The URLs of a sitemap, and of those that it is an index of.
pub async fn sitemap(web: &Web, first: &Url) -> Result<Vec<String>, Failure> {
    let mut urls = Vec::new();
    let mut seen = HashSet::from([first.to_string()]);
    let mut left = VecDeque::from([first.clone()]);
    while let Some(next) = left.pop_front() {
        let fetched = tokio::time::timeout(PATIENCE, fetch(web, &next)).await;
        let document = fetched.map_err(|_| Failure::no(format!("{next} does not answer")))??;
        let Locations { pages, sitemaps } =
            locations(&document).map_err(|why| Failure::no(format!("{next} is no sitemap: {why}")))?;
        for page in pages {
            acceptable(&page).map_err(|why| Failure::no(format!("{next}: {why}")))?;
            urls.push(page);
        }
        for sitemap in sitemaps {
            let url = Url::parse(&sitemap).map_err(|why| Failure::no(format!("{next}: {sitemap:?}: {why}")))?;
            if seen.insert(url.to_string()) {
                left.push_back(url);
            }
        }
        if seen.len() > MAX_SITEMAPS || urls.len() > MAX_URLS {
            return Err(Failure::no(format!(
                "{first} names more than {MAX_SITEMAPS} sitemaps or {MAX_URLS} URLs: warm a part of it"
            )));
        }
    }
    bounded(first.as_str(), urls)
}

async fn fetch(web: &Web, url: &Url) -> Result<Vec<u8>, Failure> {
    let no = |why: String| Failure::no(format!("cannot read {url}: {why}"));
    let request = http::Request::get(url.as_str()).body(Full::new(Bytes::new())).map_err(|why| no(why.to_string()))?;
    let response = web.request(request).await.map_err(|why| no(cause(&why)))?;
    if !response.status().is_success() {
        return Err(no(response.status().to_string()));
    }
    let body = Limited::new(response.into_body(), MAX_SITEMAP).collect().await.map_err(|why| no(why.to_string()))?;
    unpacked(body.to_bytes().to_vec()).map_err(no)
}

/// A sitemap may be gzip, by its name alone: no field says so.
fn unpacked(document: Vec<u8>) -> Result<Vec<u8>, String> {
    if !document.starts_with(&[0x1f, 0x8b]) {
        return Ok(document);
    }
    let mut out = Vec::new();
    let mut reader = MultiGzDecoder::new(document.as_slice()).take(MAX_SITEMAP as u64 + 1);
    reader.read_to_end(&mut out).map_err(|why| why.to_string())?;
    if out.len() > MAX_SITEMAP { Err(format!("more than {MAX_SITEMAP} bytes unpacked")) } else { Ok(out) }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Locations {
    pages: Vec<String>,
    sitemaps: Vec<String>,
}

/// What stands in `<loc>` below `<url>` and below `<sitemap>`.
fn locations(document: &[u8]) -> Result<Locations, String> {
    let mut reader = Reader::from_reader(document);
    let mut found = Locations::default();
    let mut path: Vec<Vec<u8>> = Vec::new();
    let mut text = String::new();
    loop {
        match reader.read_event().map_err(|why| why.to_string())? {
            Event::Start(tag) => {
                path.push(tag.local_name().as_ref().to_vec());
                text.clear();
            }
            Event::Text(part) => text.push_str(&part.decode().map_err(|why| why.to_string())?),
            Event::CData(part) => text.push_str(&part.decode().map_err(|why| why.to_string())?),
            Event::GeneralRef(name) => {
                let name = name.decode().map_err(|why| why.to_string())?;
                let reference = format!("&{name};");
                text.push_str(&quick_xml::escape::unescape(&reference).map_err(|why| why.to_string())?);
            }
            Event::End(_) => {
                let [.., above, own] = path.as_slice() else {
                    path.pop();
                    continue;
                };
                if own == b"loc" {
                    let location = text.trim().to_string();
                    match above.as_slice() {
                        b"url" => found.pages.push(location),
                        b"sitemap" => found.sitemaps.push(location),
                        _ => {}
                    }
                }
                path.pop();
                text.clear();
            }
            Event::Eof if path.is_empty() => break,
            Event::Eof => return Err("it ends in the middle".to_string()),
            _ => {}
        }
    }
    match found == Locations::default() {
        true => Err("it names no URL".to_string()),
        false => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    #[test]
    fn a_list_has_a_url_in_each_line() {
        let text = "# what the front page needs\n/a?b=c\n\n  https://api.example.org/x  \r\n/a?b=c\n";
        assert_eq!(lines("l", text).unwrap(), ["/a?b=c", "https://api.example.org/x"]);
        for wrong in ["/a\nnothing", "/a\nftp://x/y", "/a\n//host/x", "/a\nhttp://"] {
            let Failure::No(said) = lines("l.txt", wrong).unwrap_err() else { panic!("{wrong}") };
            assert!(said.starts_with("l.txt:2: "), "{said}");
        }
        let long = format!("/{}", "x".repeat(MAX_LINE));
        assert!(lines("l", &long).is_err());
    }

    #[test]
    fn a_sitemap_names_pages_and_an_index_sitemaps() {
        let pages = br#"<?xml version="1.0"?><!-- c --><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
            <url><loc> https://e.org/?a=1&amp;b=2 </loc><lastmod>2026-01-01</lastmod></url>
            <url><loc><![CDATA[https://e.org/c]]></loc><image:image xmlns:image="i"><image:loc>https://e.org/i.png</image:loc></image:image></url>
            </urlset>"#;
        let found = locations(pages).unwrap();
        assert_eq!(found.pages, ["https://e.org/?a=1&b=2", "https://e.org/c"]);
        let index = b"<sitemapindex><sitemap><loc>https://e.org/1.xml.gz</loc></sitemap></sitemapindex>";
        assert_eq!(locations(index).unwrap().sitemaps, ["https://e.org/1.xml.gz"]);
        for wrong in [&b""[..], b"<html></html>", b"<urlset><url><loc>x", b"{}"] {
            assert!(locations(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_sitemap_may_be_packed() {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(b"<urlset/>").unwrap();
        let gzip = gzip.finish().unwrap();
        assert_eq!(unpacked(gzip.clone()).unwrap(), b"<urlset/>");
        assert_eq!(unpacked(b"<urlset/>".to_vec()).unwrap(), b"<urlset/>");
        assert!(unpacked(gzip[..gzip.len() - 9].to_vec()).is_err());
    }
}
