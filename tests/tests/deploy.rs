//! What docs/deploy-cloudflare.md has a user do: each command is run here, or needs an account.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use terrace_tests::client::{HOST, Request, Response};
use terrace_tests::host::{Process, workerd};
use terrace_tests::origin::Origin;
use terrace_tests::reply::Reply;
use terrace_tests::root;
use tokio::sync::Mutex;

/// One at a time: each builds the Worker, and cargo would make them wait anyway.
static TURN: Mutex<()> = Mutex::const_new(());

/// Commands that nobody can run without an account. What they begin with is a command of wrangler all the same.
const NEED_AN_ACCOUNT: [&str; 6] = [
    "npx wrangler login",
    "npx wrangler kv namespace create L1",
    "npx wrangler d1 create terrace",
    "npx wrangler d1 migrations apply terrace --remote",
    "npx wrangler deploy",
    "npx wrangler secret put ORIGIN_API_KEY",
];

/// Commands that are run here, each by the test behind it.
const RUN_HERE: [(&str, &str); 3] = [
    ("npx wrangler deploy --dry-run", "wrangler_would_upload_the_worker_and_what_it_is_told"),
    ("npx wrangler dev --var ORIGIN_URL:https://api.example.org", "wrangler_dev_shows_it_without_an_account"),
    ("curl -si http://localhost:8787/", "wrangler_dev_shows_it_without_an_account"),
];

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn run(command: &mut Command) -> Output {
    command.env("NO_COLOR", "1").output().expect("wrangler runs")
}

fn dry_run(repository: &Path, out: &Path) -> Output {
    run(&mut workerd::wrangler(&["deploy", "--dry-run", "--outdir", &out.to_string_lossy()], repository))
}

#[test]
fn each_command_of_the_page_is_run_here_or_needs_an_account() {
    let page = fs::read_to_string(root().join("docs/deploy-cloudflare.md")).unwrap();
    let mut blocks: Vec<Vec<&str>> = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        match line {
            "```sh" => (inside, _) = (true, blocks.push(vec![])),
            "```" => inside = false,
            _ if inside => blocks.last_mut().unwrap().push(line.split(" # ").next().unwrap().trim()),
            _ => {}
        }
    }
    let commands: Vec<&str> = blocks.concat();
    for command in &commands {
        let known = NEED_AN_ACCOUNT.contains(command) || RUN_HERE.iter().any(|(run, _)| run == command);
        assert!(known, "the page shows `{command}`, which nothing runs: teach this test to");
    }
    for command in NEED_AN_ACCOUNT.iter().chain(RUN_HERE.iter().map(|(command, _)| command)) {
        assert!(commands.contains(command), "the page does not show `{command}` any more");
    }
    let account = blocks.iter().find(|block| block.contains(&"npx wrangler login")).expect("the way from an account");
    assert!(account.len() < 10, "{account:?}");
}

#[test]
fn what_needs_an_account_is_a_command_of_wrangler() {
    for command in NEED_AN_ACCOUNT {
        let words: Vec<&str> = command.strip_prefix("npx wrangler ").unwrap().split(' ').chain(["--help"]).collect();
        let output = run(&mut workerd::wrangler(&words, &root()));
        let said = said(&output);
        let name: Vec<&str> =
            words.iter().copied().filter(|word| word.chars().all(|c| c.is_ascii_lowercase() || c == '1')).collect();
        let usage = format!("wrangler {}", name.join(" ").trim_end_matches(" terrace"));
        assert!(output.status.success() && said.contains(&usage), "{command}: {usage}\n{said}");
    }
}

#[test]
fn wrangler_would_upload_the_worker_and_what_it_is_told() {
    let _turn = TURN.blocking_lock();
    let dir = tempfile::tempdir().unwrap();
    let output = dry_run(&root(), dir.path());
    let said = said(&output);
    assert!(output.status.success(), "{said}");
    for binding in ["env.L1", "env.DB", "env.ORIGIN_URL"] {
        assert!(said.contains(binding), "no {binding}\n{said}");
    }
    assert!(!said.contains("WARNING"), "{said}");
    let names: Vec<String> =
        fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    let ending = |end: &str| names.iter().filter(|name| name.ends_with(end)).collect::<Vec<_>>();
    assert_eq!((ending(".js").len(), ending(".wasm").len(), ending(".json").len()), (1, 1, 1), "{names:?}");
    let told = fs::read_to_string(dir.path().join(ending("terrace.json")[0])).unwrap();
    assert_eq!(told, workerd::told(&fs::read_to_string(root().join("terrace.toml")).unwrap()).unwrap());
}

#[test]
fn a_wrong_key_in_terrace_toml_fails_the_deployment_with_its_line() {
    let _turn = TURN.blocking_lock();
    let repository = copy_of_the_repository();
    let configuration = repository.join("terrace.toml");
    let right = fs::read_to_string(root().join("terrace.toml")).unwrap();
    let line = 1 + right.lines().position(|line| line == "[cache]").expect("[cache]");
    fs::write(&configuration, right.replacen("[cache]\n", "[cache]\ndefalt_ttl = \"1s\"\n", 1)).unwrap();
    let out = tempfile::tempdir().unwrap();
    let output = dry_run(&repository, out.path());
    let said = said(&output);
    assert!(!output.status.success(), "it was not refused\n{said}");
    assert!(said.contains(&format!("terrace.toml:{}:1", line + 1)) && said.contains("defalt_ttl"), "{said}");
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 0, "something would have been uploaded");
}

/// A copy, in a place that stays the same, since cargo builds for it into the same target folder.
fn copy_of_the_repository() -> PathBuf {
    let copy = workerd::built().with_file_name("deploy-test");
    if copy.exists() {
        fs::remove_dir_all(&copy).unwrap();
    }
    copy_folder(&root(), &copy);
    copy
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        if [".git", ".wrangler", "target", "node_modules"].iter().any(|skipped| name == *skipped) {
            continue;
        }
        let (from, to) = (entry.path(), to.join(&name));
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&from, &to);
        } else {
            // With its time, by which cargo tells what has changed.
            fs::copy(&from, &to).unwrap();
            let modified = entry.metadata().unwrap().modified().unwrap();
            fs::File::options().write(true).open(&to).unwrap().set_modified(modified).unwrap();
        }
    }
}

#[test]
fn wrangler_applies_the_migrations() {
    let _turn = TURN.blocking_lock();
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().to_string_lossy().into_owned();
    let local = ["--local", "--persist-to", &state];
    let apply = |_: ()| {
        let output = run(workerd::wrangler(&["d1", "migrations", "apply", "terrace"], &root()).args(local));
        assert!(output.status.success(), "{}", said(&output));
        said(&output)
    };
    let first = apply(());
    let migrations = fs::read_dir(root().join("crates/core/src/tiers/migrations")).unwrap().count();
    assert!(first.contains("0001_entries.sql"), "{first}");
    // A second time there is nothing to do.
    assert!(apply(()).contains("No migrations to apply"));
    let ask = ["d1", "execute", "terrace", "--json", "--command", "SELECT version FROM terrace_schema"];
    let output = run(workerd::wrangler(&ask, &root()).args(local));
    let answer: serde_json::Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|why| panic!("{why}: {}", said(&output)));
    assert_eq!(answer[0]["results"][0]["version"], migrations, "{answer}");
}

#[tokio::test]
async fn wrangler_dev_shows_it_without_an_account() {
    let _turn = TURN.lock().await;
    // What it would build is built, so that it starts at once.
    let out = tempfile::tempdir().unwrap();
    assert!(dry_run(&root(), out.path()).status.success());
    let origin = Origin::start().await;
    origin.serve("/", Reply::ok("the API").with("Cache-Control", "max-age=600"));
    let dir = tempfile::tempdir().unwrap();
    let (state, variable) = (dir.path().to_string_lossy().into_owned(), format!("ORIGIN_URL:{}", origin.url()));
    let mut dev = workerd::wrangler(&["dev", "--var", &variable, "--persist-to", &state], &root());
    dev.args(["--ip", "127.0.0.1", "--port", "0", "--inspector-port", "0"]).env("NO_COLOR", "1");
    let mut process = Process::announced(dev, dir.path(), |line| {
        line.split_once("Ready on http://").and_then(|(_, address)| address.trim().parse().ok())
    })
    .unwrap();
    process.ends_gently();
    let mut tiers = Vec::new();
    for _ in 0..100 {
        let mut client = terrace_tests::client::Connection::open(process.address).await;
        let response: Response = client.send(&Request::get("/").with("Host", HOST)).await;
        response.has_status(200).has_body("the API");
        tiers.push(response.tier().to_owned());
        if response.tier() == "L1-HIT" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(tiers.first().map(String::as_str), Some("MISS"), "{tiers:?}");
    assert_eq!(tiers.last().map(String::as_str), Some("L1-HIT"), "{tiers:?}");
}
