//! A changed callers file counts for the next call; a bad one changes nothing.

use std::time::{Duration, Instant};

use super::{file, get, needs, on_socket, rule, uid};
use crate::support::{
    Backend,
    program::{Server, eventually},
    reason, viewer,
};

fn rules_for(account: i64) -> String {
    file(&rule(&format!(
        "accounts = [\"{account}\"]\nas = {{ users = \"any\", itself = true }}\ndetail = \"full\""
    )))
}

/// How many new versions of the callers file had this result so far.
async fn reloads(server: &Server, result: &str) -> u64 {
    let labels = [("file", "callers"), ("result", result)];
    let scrape = server.scrape().await;
    scrape.count("leadchat_inbox_reloads_total", &labels)
}

/// Waits until one more has this result.
async fn until_reloaded(server: &Server, result: &str, before: u64) {
    let labels = [("file", "callers"), ("result", result)];
    let more = |it: f64| it > f64::from(u32::try_from(before).unwrap());
    let name = "leadchat_inbox_reloads_total";
    server.eventually_scraped(name, &labels, more).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_read_again_and_a_bad_one_changes_nothing() {
    let database = Backend::Sqlite.golden();
    let server = on_socket(&database, &rules_for(1));
    // One connection for all of it.
    let client = server.client().await;
    let is_served = async |account| match get(&client, account, viewer::service()).await {
        Ok(()) => true,
        Err(status) if reason(&status) == "INBOX_NOT_FOUND" => true,
        Err(status) => {
            assert_eq!(needs(&status), "account");
            false
        }
    };
    assert!(is_served(1).await && !is_served(2).await);

    // Each is refused whole, and told once.
    let bad = [
        "version = 2".to_owned(),
        String::new(),
        "not toml".to_owned(),
        rules_for(2).replace("GetInbox", "GetInboxs"),
        rules_for(2).replace("as = ", "ass = "),
    ];
    for (before, text) in (0..).zip(bad) {
        assert_eq!(reloads(&server, "refused").await, before, "{text}");
        server.replace_callers(&text);
        server.signal("HUP");
        until_reloaded(&server, "refused", before).await;
        assert!(is_served(1).await && !is_served(2).await, "{text}");
    }
    // Each was logged once, however often it was read. Two have no version.
    for (line, count) in [
        ("reads version 1", 1),
        ("version is missing", 2),
        ("no method \"GetInboxs\"", 1),
        ("`ass`", 1),
    ] {
        assert_eq!(server.log().matches(line).count(), count, "{line}");
    }

    // Without a signal it takes a few seconds.
    assert_eq!(reloads(&server, "done").await, 0);
    server.replace_callers(&rules_for(2));
    until_reloaded(&server, "done", 0).await;
    assert!(!is_served(1).await && is_served(2).await);

    // A file that is gone changes nothing; one that comes back counts.
    let path = server.folder().join("callers.toml");
    let before = reloads(&server, "refused").await;
    std::fs::remove_file(&path).unwrap();
    server.signal("HUP");
    until_reloaded(&server, "refused", before).await;
    assert!(!is_served(1).await && is_served(2).await);
    // As Kubernetes replaces a mounted file: by another target of a link.
    let before = reloads(&server, "done").await;
    let target = server.folder().join("of-a-mount");
    std::fs::write(&target, rules_for(1)).unwrap();
    std::os::unix::fs::symlink(&target, &path).unwrap();
    server.signal("HUP");
    until_reloaded(&server, "done", before).await;
    assert!(is_served(1).await && !is_served(2).await);
    // A caller that is removed is not known any more, on the open connection.
    let before = reloads(&server, "done").await;
    let other = format!("uids = [{}]", uid() + 1);
    server.replace_callers(&rules_for(1).replace(&format!("uids = [{}]", uid()), &other));
    server.signal("HUP");
    until_reloaded(&server, "done", before).await;
    let status = get(&client, 1, viewer::service()).await.unwrap_err();
    assert_eq!(reason(&status), "CALLER_UNKNOWN");
}

/// A file that is written in place is not taken for whole before it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_file_does_not_count() {
    let database = Backend::Sqlite.golden();
    let more = "[[caller]]\nname = \"third\"\nuids = [7]\n[[caller.may]]\n\
                methods = [\"GetInbox\"]\naccounts = [\"1\"]\nas = { itself = true }\n";
    let whole = format!("{}{}", rules_for(1), more);
    let server = on_socket(&database, &whole);
    let path = server.folder().join("callers.toml");
    // A busy machine may take longer between the two halves than a writer has.
    for _ in 0..20 {
        let (writing, before) = (server.log_bytes(), reloads(&server, "done").await);
        let began = Instant::now();
        std::fs::write(&path, rules_for(2)).unwrap();
        server.signal("HUP");
        tokio::time::sleep(Duration::from_millis(50)).await;
        std::fs::write(&path, &whole).unwrap();
        let took = began.elapsed();
        // A bad one at last says that all before it was read.
        tokio::time::sleep(Duration::from_millis(500)).await;
        std::fs::write(&path, "version = 9").unwrap();
        server.signal("HUP");
        eventually("the last one is read", || {
            server.log_after(writing).contains("reads version 1")
        })
        .await;
        if took < Duration::from_millis(150) {
            assert_eq!(reloads(&server, "done").await, before);
            return;
        }
        let before = reloads(&server, "done").await;
        std::fs::write(&path, format!("{whole}# again\n")).unwrap();
        server.signal("HUP");
        until_reloaded(&server, "done", before).await;
    }
    panic!("the machine is too busy");
}

/// The counts of a caller outlive a change of the file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_file_forgets_no_count() {
    let database = Backend::Sqlite.golden();
    // One call in an hour is more than this needs.
    let limits = "[caller.limits]\ncalls_per_second = 1\nburst = 60\n";
    let with = |calls: u32| format!("{}{limits}concurrent_calls = {calls}\n", rules_for(1));
    let server = on_socket(&database, &with(5));
    let client = server.client().await;
    let mut served = 0;
    while get(&client, 1, viewer::service()).await.is_ok() {
        served += 1;
    }
    assert!(served >= 60, "{served}");
    let before = reloads(&server, "done").await;
    server.replace_callers(&with(6));
    server.signal("HUP");
    until_reloaded(&server, "done", before).await;
    let mut served = 0;
    while get(&client, 1, viewer::service()).await.is_ok() {
        served += 1;
    }
    assert!(served < 60, "{served} calls after a reload");
}

/// A start with a bad file ends with all of its mistakes.
#[test]
fn a_start_needs_a_good_file() {
    use crate::support::Program;

    let database = Backend::Sqlite.golden();
    let text = rules_for(1)
        .replace("version = 1", "version = 7")
        .replace("GetInbox", "Get");
    let output = Program::serving(&database).with_callers(&text).output();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    for part in [
        ":1:11: version: this program reads version 1",
        "caller \"me\": methods: there is no method \"Get\"",
    ] {
        assert!(said.contains(part), "{said}");
    }
    let missing = Program::serving(&database)
        .args(["--callers", "nowhere.toml"])
        .output();
    assert_eq!(missing.status.code(), Some(2));
    let said = String::from_utf8(missing.stderr).unwrap();
    assert!(
        said.contains("nowhere.toml:1:1: cannot be read: entity not found"),
        "{said}"
    );
}
