//! Every command that README.md shows is run here, or named with who runs it. What a comment behind a command promises, up to
//! its first comma, must be in what the command says.

mod common;

use common::{Running, root, run, shell, terrace};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};
use terrace_host::Limits;

/// Commands that this test cannot run, and why that is no gap.
const RUN_ELSEWHERE: [(&str, &str); 5] = [
    (
        "spin build",
        "its command and what it makes are checked in spin_toml.rs; the behaviour suite runs it where Spin is there",
    ),
    ("SPIN_VARIABLE_ORIGIN_URL=https://api.example.org spin up", "the behaviour suite runs it where Spin is there"),
    (
        "npx wrangler dev --var ORIGIN_URL:https://api.example.org",
        "tests/tests/deploy.rs runs it before an origin of its own",
    ),
    ("npx wrangler deploy", "it needs an account; tests/tests/deploy.rs runs it with --dry-run"),
    ("cargo xtask test", "it runs this test"),
];

/// How README.md calls the program, where it listens by default, and which origin it stands before.
const PROGRAM: &str = "cargo run --release -- ";
const LISTENS: &str = "http://127.0.0.1:8080";
const ORIGIN: &str = "https://api.example.org";

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).unwrap()
}

/// The lines of the `sh` blocks: a command, and what is promised of it.
fn commands(text: &str) -> Vec<(String, Option<String>)> {
    let mut commands = Vec::new();
    let mut block: Option<String> = None;
    for line in text.lines() {
        match (&block, line.strip_prefix("```")) {
            (None, Some(language)) => block = Some(language.to_string()),
            (Some(_), Some(_)) => block = None,
            (Some(language), None) => {
                assert!(matches!(language.as_str(), "sh" | "toml"), "a block of {language:?}: nobody runs it");
                if *language == "sh" && !line.trim().is_empty() {
                    let (command, promise) = match line.split_once(" # ") {
                        Some((command, promise)) => (command, promise.split(',').next().map(str::to_string)),
                        None => (line, None),
                    };
                    commands.push((command.trim().to_string(), promise));
                }
            }
            (None, None) => {}
        }
    }
    commands
}

#[test]
fn each_command_does_what_is_said_of_it() {
    let commands = commands(&readme());
    assert!(commands.iter().any(|(command, _)| command == "cargo run --release -- demo"));
    let folder = tempfile::tempdir().unwrap();
    let origin = origin();
    let mut server: Option<Running> = None;
    for (n, (command, promise)) in commands.iter().enumerate() {
        if RUN_ELSEWHERE.iter().any(|(known, _)| known == command) {
            continue;
        }
        if let Some(arguments) = command.strip_prefix(PROGRAM) {
            let arguments = arguments.replace(ORIGIN, &origin);
            let mut program = terrace(arguments.split(' '));
            program.current_dir(root());
            if arguments.starts_with("demo") || arguments.starts_with("serve") {
                if let Some(server) = server.take() {
                    server.stop();
                }
                let database = folder.path().join(format!("{n}.db"));
                program.args(["--listen", "127.0.0.1:0"]).arg("--l2").arg(format!("sqlite:{}", database.display()));
                server = Some(Running::start(&mut program));
            } else {
                let (code, _, said) = run(&mut program);
                assert_eq!(code, 0, "{command}: {said}");
            }
        } else if command.starts_with("curl ") {
            let server = server.as_ref().unwrap_or_else(|| panic!("{command}: of what?"));
            let promise = promise.as_ref().unwrap_or_else(|| panic!("{command}: say what it shows"));
            let command = command.replace(LISTENS, &server.base);
            assert!(command.contains(&server.base), "{command}: asks somebody else");
            keeps(&command, promise);
        } else {
            panic!("README.md shows `{command}`, which nothing runs: teach this test to");
        }
    }
    if let Some(server) = server {
        server.stop();
    }
}

/// A store happens after the answer, so a hit may need another try; a miss may not.
fn keeps(command: &str, promise: &str) {
    let begun = Instant::now();
    loop {
        let said = shell(command);
        if said.to_ascii_lowercase().contains(&promise.to_ascii_lowercase()) {
            return;
        }
        let patient = promise.contains("HIT") && begun.elapsed() < Duration::from_secs(5);
        assert!(patient, "{command}: no {promise:?} in\n{said}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// An API that says the same to everyone. Its address.
fn origin() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(
                b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
            );
        }
    });
    format!("http://{address}")
}

#[test]
fn the_table_of_limits_is_that_of_the_host() {
    let limits = Limits::default();
    let kib = |bytes: usize| format!("{} KiB", bytes >> 10);
    let seconds = |time: Duration| format!("{} s", time.as_secs());
    let l1 = terrace_host::Options::new("127.0.0.1:0".parse().unwrap(), terrace_host::Database::Sqlite("x.db".into()))
        .kv_bytes;
    let readme = readme();
    for (what, most) in [
        ("a request's head", format!("{}, {} fields", kib(limits.header_bytes), limits.header_count)),
        ("a request's target", kib(limits.uri_bytes)),
        ("a request's content", format!("{} MiB", limits.body_bytes >> 20)),
        ("time for a head to arrive", seconds(limits.header_timeout)),
        ("time between two pieces of content", seconds(limits.body_timeout)),
        ("time between two requests of a connection", seconds(limits.keep_alive)),
        ("time a client takes nothing of its answer", seconds(limits.write_timeout)),
        (
            "connections at once",
            format!("{}, and seven eighths of the files that may be open (`ulimit -Hn`)", limits.connections),
        ),
        ("requests that are answered at once, per core", limits.requests.to_string()),
        ("memory of L1 (`--l1-size`)", format!("{} MiB", l1 >> 20)),
    ] {
        let row = format!("| {what} | {most} |");
        assert!(readme.contains(&row), "README.md has no row {row:?}");
    }
}

#[test]
fn what_readme_links_to_is_there() {
    let text = readme() + &fs::read_to_string(root().join("CONTRIBUTING.md")).unwrap();
    for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
        if target.starts_with("https://") {
            continue;
        }
        let (path, heading) = target.split_once('#').map_or((target, None), |(path, heading)| (path, Some(heading)));
        let page = fs::read_to_string(root().join(path)).unwrap_or_else(|why| panic!("{target}: {why}"));
        let anchor = |line: &str| {
            let title = line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
            title.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect::<String>()
        };
        let is_there = |heading| page.lines().any(|line| line.starts_with('#') && anchor(line) == heading);
        assert!(heading.is_none_or(is_there), "{target}");
    }
}
