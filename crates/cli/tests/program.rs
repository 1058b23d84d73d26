//! What the program answers: exit codes, messages that say what to do next, one line on stdout, a clean end.

mod common;

use common::{Running, free_pair, get, get_until, run, shell, terrace};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// `--l2` with a database in `folder`.
fn l2(folder: &TempDir) -> String {
    format!("sqlite:{}", folder.path().join("l2.db").display())
}

/// A running `serve` before an origin that nobody listens on.
fn serve(folder: &TempDir, more: &[&str]) -> Running {
    serve_before("http://127.0.0.1:9", folder, more)
}

fn serve_before(origin: &str, folder: &TempDir, more: &[&str]) -> Running {
    let args = ["serve", "--listen", "127.0.0.1:0", "--origin", origin];
    let l2 = ["--l2".to_string(), l2(folder)];
    Running::start(terrace(args.iter().chain(more).copied()).args(l2).current_dir(folder.path()))
}

#[test]
fn each_help_has_an_example() {
    for command in ["", "serve", "demo", "check", "purge", "warm"] {
        let args: Vec<&str> = [command, "--help"].into_iter().filter(|word| !word.is_empty()).collect();
        let (code, said, _) = run(&mut terrace(args.clone()));
        assert_eq!(code, 0, "{args:?}");
        assert!(said.contains("Example: terrace "), "{args:?}: {said}");
    }
}

#[test]
fn usage_that_cannot_be_meant_ends_with_2() {
    let folder = folder();
    for (args, says) in [
        (vec![], "Usage"),
        (vec!["explain", "/"], "unrecognized subcommand"),
        (vec!["serve"], "--origin URL"),
        (vec!["serve", "--origin", "api.example.org"], "--origin: "),
        (vec!["serve", "--origin", "http://a", "--l1", "redis://127.0.0.1/shop"], "number of a database"),
        (vec!["serve", "--origin", "http://a", "--l2", "postgres://127.0.0.1/a"], "postgres://user:password@host"),
        (
            vec!["serve", "--origin", "http://a", "--like-spin", "--l2", "postgres://u:wr0ng-4711@127.0.0.1/a?pool=4"],
            "leave out `pool`",
        ),
        (vec!["serve", "--origin", "http://a", "--l1-size", "1MB"], "256MiB"),
        (vec!["serve", "--origin", "http://a", "--listen", "8080"], "--listen"),
        (vec!["serve", "--origin", "http://a", "--workers", "0"], "--workers"),
        (vec!["demo", "--delay", "soon"], "250ms"),
        (vec!["check"], "<FILE>"),
        (vec!["purge"], "--everything"),
        (vec!["purge", "--soft"], "--everything"),
        (vec!["purge", "--tag", "a", "--token-from", "NOBODY_HAS_THIS"], "NOBODY_HAS_THIS"),
        (vec!["purge", "--tag", "a", "--server", "nowhere"], "--server"),
        (vec!["purge", "--tag", "a", "--server", "127.0.0.1:8080"], "http://127.0.0.1:8080"),
        (vec!["purge", "--prefix", "/news/*"], "no pattern"),
        (vec!["serve", "--origin", "http://a", "--listen", "localhost:8080"], "127.0.0.1:8080"),
        (vec!["warm"], "--sitemap"),
        (vec!["warm", "urls.txt", "--sitemap", "http://a/"], "--sitemap"),
        (vec!["warm", "urls.txt", "--pace", "fast"], "10/s"),
        (vec!["warm", "urls.txt", "--concurrency", "0"], "--concurrency"),
    ] {
        let (code, out, said) = run(terrace(args.clone()).current_dir(folder.path()));
        assert_eq!((code, out.as_str()), (2, ""), "{args:?}: {said}");
        assert!(said.contains(says) && !said.contains("wr0ng-4711"), "{args:?}: {said}");
    }
}

#[test]
fn check_says_ok_and_what_the_file_says() {
    let folder = folder();
    let file = folder.path().join("my.toml");
    fs::write(
        &file,
        "[origin]\nurl = \"https://api.example.org\"\nheaders = { key = { secret = \"SOME_KEY\" } }\n\
         [[route]]\nmatch = \"/a/*\"\nttl = \"90s\"\n[[route]]\nmatch = \"/b\"\ncache = \"off\"\n",
    )
    .unwrap();
    let (code, said, _) = run(&mut terrace(["check", file.to_str().unwrap()]));
    assert_eq!(code, 0);
    assert!(said.starts_with(&format!("{}: ok\n", file.display())), "{said}");
    for part in ["https://api.example.org", "SOME_KEY", "/a/*", "90s", "not cached"] {
        assert!(said.contains(part), "no {part} in {said}");
    }
}

#[test]
fn check_points_at_what_is_wrong() {
    let folder = folder();
    let file = folder.path().join("my.toml");
    fs::write(&file, "[origin]\nurl = \"https://api.example.org\"\ntimeuot = \"1s\"\n").unwrap();
    let (code, out, said) = run(&mut terrace(["check", file.to_str().unwrap()]));
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(said.ends_with("^^^^^^^\n") && said.contains("my.toml:3:1: error: ") && said.contains("timeout"), "{said}");

    let (code, _, said) = run(terrace(["serve", "--config", "my.toml"]).current_dir(folder.path()));
    assert_eq!(code, 1);
    assert!(said.starts_with("my.toml:3:1:"), "{said}");
}

#[test]
fn a_failure_is_json_where_logs_are() {
    let (code, _, said) = run(&mut terrace(["--log", "json", "check", "/no/such/file"]));
    assert_eq!(code, 1);
    let line: serde_json::Value = serde_json::from_str(said.trim()).unwrap();
    assert_eq!(line["level"], "ERROR");
}

#[test]
fn what_keeps_it_from_starting_is_said_with_the_way_out() {
    let folder = folder();
    let config = folder.path().join("secret.toml");
    fs::write(&config, "[origin]\nheaders = { key = { secret = \"TERRACE_TEST_KEY\" } }\n").unwrap();
    fs::write(folder.path().join("garbage.db"), "x".repeat(8192)).unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let l2 = l2(&folder);
    let origin = ["--origin", "http://127.0.0.1:9"];
    let own = format!("http://{taken}");
    for (args, says) in [
        (vec!["--listen", &taken, "--l2", &l2], vec![taken.as_str(), "--listen"]),
        (vec!["--listen", "127.0.0.1:0", "--l2", "sqlite:garbage.db"], vec!["garbage.db", "--l2 sqlite:PATH"]),
        (vec!["--listen", "127.0.0.1:0", "--l2", "sqlite:file/l2.db"], vec!["file/l2.db", "--l2 sqlite:PATH"]),
        (vec!["--listen", "127.0.0.1:0", "--l2", "sqlite:."], vec!["--l2 sqlite:PATH"]),
        (
            vec!["--listen", "127.0.0.1:0", "--l2", "sqlite:typo/l2.db"],
            vec!["there is no folder typo", "--l2 sqlite:PATH"],
        ),
        (vec!["--listen", &taken, "--origin", &own], vec!["--listen", "--origin", "itself"]),
        (vec!["--config", "secret.toml"], vec!["TERRACE_TEST_KEY", "SPIN_VARIABLE_TERRACE_TEST_KEY"]),
        (vec!["--config", "absent.toml"], vec!["absent.toml does not exist"]),
    ] {
        let mut command = terrace(["serve"]);
        if !args.contains(&"--origin") {
            command.args(origin);
        }
        let (code, out, said) = run(command.args(&args).current_dir(folder.path()));
        assert_eq!((code, out.as_str()), (1, ""), "{args:?}: {said}");
        for part in says {
            assert!(said.contains(part), "{args:?}: no {part} in {said}");
        }
    }
    assert!(!folder.path().join("typo").exists());
    // The demo has two addresses, and says which of them is taken.
    for argument in ["--listen", "--origin-listen"] {
        let free = if argument == "--listen" { "--origin-listen" } else { "--listen" };
        let (code, _, said) = run(&mut terrace(["demo", argument, &taken, free, "127.0.0.1:0", "--l2", &l2]));
        assert_eq!(code, 1);
        assert!(said.contains(&taken) && said.contains(argument), "{said}");
    }
}

#[test]
fn stdout_is_one_line_and_a_signal_ends_it_well() {
    let folder = folder();
    for signal in ["TERM", "INT"] {
        let running = serve(&folder, &[]);
        // An origin that is not there is no reason to fall.
        assert!(get(&format!("{}/", running.base)).starts_with("HTTP/1.1 502"));
        running.signal(signal);
        let (status, rest) = running.ended(Duration::from_secs(5));
        assert_eq!((status.code(), rest.as_str()), (Some(0), ""), "{signal}");
    }
    assert!(folder.path().join("l2.db").exists());
}

#[test]
fn it_runs_as_under_spin_too() {
    for mode in ["--like-spin", "--like-spin=fresh"] {
        let folder = folder();
        let running = serve(&folder, &[mode, "--workers", "1", "--l1-size", "1MiB", "--l1", "memory"]);
        assert!(get(&format!("{}/", running.base)).starts_with("HTTP/1.1 502"), "{mode}");
        running.stop();
    }
}

#[test]
fn the_database_is_in_the_data_directory_by_default() {
    let folder = folder();
    let args = ["serve", "--listen", "127.0.0.1:0", "--origin", "http://127.0.0.1:9"];
    let running = Running::start(terrace(args).current_dir(folder.path()).env("XDG_DATA_HOME", folder.path()));
    running.stop();
    assert!(folder.path().join("terrace/terrace.db").exists());
}

#[test]
fn a_second_signal_quits_at_once() {
    let folder = folder();
    let demo =
        Running::start(&mut terrace(["demo", "--listen", "127.0.0.1:0", "--delay", "20s", "--l2", &l2(&folder)]));
    let url = format!("{}/posts/1", demo.base);
    let asking = std::thread::spawn(move || {
        std::process::Command::new("curl").args(["-s", "--max-time", "25", &url]).output().unwrap()
    });
    std::thread::sleep(Duration::from_millis(500));
    demo.signal("TERM");
    std::thread::sleep(Duration::from_millis(500));
    let begun = Instant::now();
    demo.signal("TERM");
    let (status, _) = demo.ended(Duration::from_secs(5));
    assert_eq!(status.code(), Some(1));
    assert!(begun.elapsed() < Duration::from_secs(5));
    asking.join().unwrap();
}

#[test]
fn the_demo_does_what_it_says_and_remembers_it_after_a_restart() {
    let folder = folder();
    // The authority is part of the key, so the second run has to be where the first one was.
    let (listen, l2) = (free_pair(), l2(&folder));
    let demo = || Running::start(&mut terrace(["demo", "--listen", &listen, "--l2", &l2]));

    let mut first = demo();
    let said = first.lines_until("Ctrl-C");
    let commands: Vec<&str> = said.iter().filter_map(|line| line.trim().strip_prefix("curl ")).collect();
    let [posts, validate, index] = commands.as_slice() else { panic!("{said:#?}") };
    assert!(said.iter().any(|line| line.contains("l2.db")), "{said:#?}");

    let begun = Instant::now();
    let answer = shell(&format!("curl {posts}")).to_ascii_lowercase();
    assert!(answer.contains("x-cache-tier: miss"), "{answer}");
    assert!(begun.elapsed() >= Duration::from_millis(800));
    let url = format!("{}/posts/1", first.base);
    get_until(&url, "x-cache-tier: l1-hit");
    let begun = Instant::now();
    assert!(shell(&format!("curl {posts}")).to_ascii_lowercase().contains("x-cache-tier: l1-hit"));
    assert!(begun.elapsed() < Duration::from_millis(400));
    assert!(shell(&format!("curl {validate}")).starts_with("HTTP/1.1 304"));
    let index = shell(&format!("curl {index}"));
    assert!(index.starts_with("HTTP/1.1 200") && index.contains("/random"), "{index}");
    // It holds for each endpoint that the index names: what may be kept is, what may not be is not.
    for (path, field) in [
        ("/me", "x-cache: miss"),
        ("/random", "x-cache: miss"),
        ("/error/503", "http/1.1 503"),
        ("/greeting", "x-cache: miss"),
        ("/todos", "x-cache: miss"),
    ] {
        let answer = get(&format!("{}{path}", first.base)).to_ascii_lowercase();
        assert!(answer.contains(field), "{path}: {answer}");
    }
    first.stop();

    let second = demo();
    assert!(get(&url).to_ascii_lowercase().contains("x-cache-tier: l2-hit"));
    get_until(&url, "x-cache-tier: l1-hit");
    second.stop();
}

#[test]
fn purge_says_when_it_holds_or_why_it_does_not() {
    let folder = folder();
    fs::write(folder.path().join("terrace.toml"), "[admin]\ntoken = { secret = \"ADMIN_TOKEN\" }\n").unwrap();
    let args = ["serve", "--listen", "127.0.0.1:0", "--origin", "http://127.0.0.1:9", "--l2"];
    let mut program = terrace(args);
    program.arg(l2(&folder)).current_dir(folder.path());
    let (code, _, said) = run(program.env_remove("ADMIN_TOKEN"));
    assert!(code == 1 && said.contains("ADMIN_TOKEN"), "it starts without its token: {said}");
    let server = Running::start(program.env("ADMIN_TOKEN", "sesame"));
    let purge = |token: &str, more: &[&str]| {
        let mut purge = terrace(["purge", "--server", &server.base].iter().chain(more).copied());
        run(purge.env("ADMIN_TOKEN", token).current_dir(folder.path()))
    };
    let named = ["--tag", "a", "--tag", "b", "--prefix", "/x/", "--url", "/y?z", "--group", "g h", "--soft"];
    for (more, id) in [(&named[..], 6), (&["--everything"], 7)] {
        let (code, out, said) = purge("sesame", more);
        assert_eq!(code, 0, "{said}");
        let ends = " GMT; hits 0 of 0 stored responses\n";
        assert!(out.starts_with(&format!("purge {id}: holds everywhere at ")) && out.ends_with(ends), "{out}");
        assert!(said.is_empty(), "{said}");
    }
    // It holds, and can hardly be what is meant.
    let (code, out, said) = purge("sesame", &["--url", "http://127.0.0.1:9/x"]);
    assert!(
        code == 0 && out.starts_with("purge ") && said.contains("urls[0]: this is the API's own host"),
        "{out} {said}"
    );
    for (token, more, says) in [
        ("wrong", ["--tag", "a"], "401 Unauthorized: This takes the admin token"),
        ("sesame", ["--tag", "a b"], "tags[0]"),
    ] {
        let (code, out, said) = purge(token, &more);
        assert!(code == 1 && out.is_empty() && said.contains(says), "{code} {out} {said}");
    }
    server.stop();
    let (code, _, said) =
        run(terrace(["purge", "--everything", "--server", "http://127.0.0.1:9"]).env("ADMIN_TOKEN", "x"));
    assert!(code == 1 && said.contains("cannot ask http://127.0.0.1:9"), "{code} {said}");
    // Who answers anything with 200 is not believed.
    let (code, out, said) = run(terrace(["purge", "--everything", "--server", &api()]).env("ADMIN_TOKEN", "x"));
    assert!(code == 1 && out.is_empty() && said.contains("is not terrace"), "{code} {out} {said}");
    // A terrace without a token knows no purge.
    fs::remove_file(folder.path().join("terrace.toml")).unwrap();
    let server = serve(&folder, &[]);
    let mut purge = terrace(["purge", "--everything", "--server", &server.base]);
    let (code, _, said) = run(purge.env("ADMIN_TOKEN", "x"));
    assert!(code == 1 && said.contains("[admin]"), "{code} {said}");
}

/// An API: what its paths say is what they are. It ends with the test.
fn api() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let own = base.clone();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let own = own.clone();
            thread::spawn(move || answer(&own, stream));
        }
    });
    base
}

fn answer(base: &str, mut stream: TcpStream) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let path = lines.next().and_then(|line| line.split(' ').nth(1).map(str::to_string)).unwrap_or_default();
    // All of the head, or the end would come as a reset.
    let _ = lines.find(String::is_empty);
    let (status, field, content) = match path.as_str() {
        "/no-store" => ("200 OK", "Cache-Control: no-store", "x".to_string()),
        "/later" => ("503 Service Unavailable", "Retry-After: 0", "x".to_string()),
        "/sitemap.xml" => {
            let loc = format!("<urlset><url><loc>{base}/from?a=1&amp;b=2</loc></url></urlset>");
            ("200 OK", "Cache-Control: no-store", loc)
        }
        "/unsized" => ("200 OK", "Cache-Control: max-age=60", "x".repeat(100)),
        _ => ("200 OK", "Cache-Control: max-age=60", "x".to_string()),
    };
    let length = match path.as_str() {
        "/unsized" => String::new(),
        _ => format!("\r\nContent-Length: {}", content.len()),
    };
    let _ = write!(stream, "HTTP/1.1 {status}\r\n{field}{length}\r\nConnection: close\r\n\r\n{content}");
}

#[test]
fn warm_stores_what_a_list_names_and_says_what_it_could_not() {
    let folder = folder();
    let api = api();
    let server = serve_before(&api, &folder, &[]);
    let warm = |more: &[&str]| {
        let args = ["warm", "--server", &server.base, "--pace", "1000/s"];
        run(terrace(args.iter().chain(more).copied()).current_dir(folder.path()))
    };
    let list = folder.path().join("urls.txt");
    fs::write(&list, "# all\n/a\n/b\n/no-store\nhttp://other.example/c\n/a\n").unwrap();
    let (code, out, said) = warm(&["urls.txt"]);
    assert_eq!(out, "4 URLs: 3 stored now, 0 were stored, 1 not stored (no-store 1), 0 failed\n", "{code} {said}");
    assert_eq!((code, said.as_str()), (0, ""));
    for path in ["/a", "/b"] {
        get_until(&format!("{}{path}", server.base), "x-cache: hit");
    }
    let (_, out, said) = warm(&["urls.txt"]);
    assert!(out.contains("3 were stored"), "{out} {said}");

    // What failed is tried again by the next run, and it alone.
    fs::write(&list, "/a\n/later\n/no-store\n").unwrap();
    let resumed = ["urls.txt", "--resume", "done.txt"];
    let (code, out, said) = warm(&resumed);
    assert!(code == 1 && said.contains("1 of 3 URLs failed:\n/later: 503"), "{code} {out} {said}");
    let (code, out, said) = warm(&resumed);
    assert!(code == 1 && out.starts_with("1 URLs: 0 stored now"), "{code} {out} {said}");
    // A line that was cut is asked for again, and spoils no other.
    let done = folder.path().join("done.txt");
    let noted = fs::read_to_string(&done).unwrap();
    fs::write(&done, format!("{noted}/cu")).unwrap();
    fs::write(&list, "/a\n/no-store\n/cut\n/later\n").unwrap();
    let (_, out, said) = warm(&resumed);
    assert!(out.starts_with("2 URLs: 1 stored now"), "{out} {said}");
    assert!(fs::read_to_string(&done).unwrap().ends_with("\n/cut\n"));
    // What is not of an earlier run is left alone.
    let (code, out, said) = warm(&["urls.txt", "--resume", "urls.txt"]);
    assert!(
        code == 1 && out.is_empty() && said.contains("urls.txt is no file of an earlier run"),
        "{code} {out} {said}"
    );
    assert!(list.exists());
    fs::write(&list, "/a\n/no-store\n").unwrap();
    let (code, out, _) = warm(&resumed);
    assert!(code == 0 && out.starts_with("0 URLs: ") && !folder.path().join("done.txt").exists(), "{code} {out}");

    let (code, out, said) = warm(&["--sitemap", &format!("{api}/sitemap.xml")]);
    assert!(code == 0 && out.starts_with("1 URLs: 1 stored now"), "{code} {out} {said}");
    get_until(
        &format!("{}/from?a=1&b=2' -H 'Host: {}", server.base, api.trim_start_matches("http://")),
        "x-cache: hit",
    );

    for (wrong, says) in [("nothing\n", "urls.txt:1: "), ("/a\nftp://a/\n", "urls.txt:2: ")] {
        fs::write(&list, wrong).unwrap();
        let (code, out, said) = warm(&["urls.txt"]);
        assert!(code == 1 && out.is_empty() && said.contains(says), "{code} {out} {said}");
    }
    server.stop();
    fs::write(&list, "/a\n").unwrap();
    let (code, _, said) =
        run(terrace(["warm", "--server", "http://127.0.0.1:9", "urls.txt"]).current_dir(folder.path()));
    assert!(code == 1 && said.contains("/a: "), "{code} {said}");
}

#[test]
fn warm_does_not_say_that_stored_is_what_nobody_took() {
    let folder = folder();
    let list = folder.path().join("urls.txt");
    let warm = |server: &Running| {
        run(terrace(["warm", "--server", &server.base, "urls.txt", "--concurrency", "1"]).current_dir(folder.path()))
    };
    // Neither store is there.
    let origin = api();
    let args = ["serve", "--listen", "127.0.0.1:0", "--origin", &origin];
    let stores = ["--l1", "redis://127.0.0.1:9", "--l2", "postgres://nobody@127.0.0.1:9/none"];
    let server = Running::start(terrace(args).args(stores).current_dir(folder.path()));
    fs::write(&list, "/a\n/b\n").unwrap();
    let (_, out, said) = warm(&server);
    assert_eq!(out, "2 URLs: 0 stored now, 0 were stored, 2 not stored (no-tier 2), 0 failed\n", "{said}");
    server.stop();
    // What turns out too large when it has come.
    fs::write(folder.path().join("terrace.toml"), "[tiers.l1]\nmax_size = \"10B\"\n[tiers.l2]\nmax_size = \"10B\"\n")
        .unwrap();
    let server = serve_before(&origin, &folder, &[]);
    fs::write(&list, "/a\n/unsized\n").unwrap();
    let (code, out, said) = warm(&server);
    assert!(code == 1 && out.starts_with("2 URLs: 2 stored now"), "{code} {out} {said}");
    assert!(said.contains("1 of 2 that were stored are not there"), "{said}");
}
