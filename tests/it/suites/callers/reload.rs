//! A changed callers file counts for the next call; a bad one changes nothing.

use super::{file, get, needs, on_socket, rule};
use crate::support::{Backend, program::eventually, reason, viewer};

fn rules_for(account: i64) -> String {
    file(&rule(&format!(
        "accounts = [\"{account}\"]\nas = {{ users = \"any\", itself = true }}\ndetail = \"full\""
    )))
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

    // Each is refused whole, and logged once.
    let bad = [
        "version = 2".to_owned(),
        String::new(),
        "not toml".to_owned(),
        rules_for(2).replace("GetInbox", "GetInboxs"),
        rules_for(2).replace("as = ", "ass = "),
    ];
    for text in bad {
        let before = server.log_bytes();
        server.replace_callers(&text);
        server.signal("HUP");
        eventually("the file is refused", || {
            server.log_after(before).contains("the last good one stays")
        })
        .await;
        assert!(is_served(1).await && !is_served(2).await, "{text}");
        let logged = server.log_after(before);
        server.signal("HUP");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        let again = server.log_after(before);
        let problems = |log: &str| log.matches("the last good one stays").count();
        assert_eq!(problems(&again), problems(&logged), "{text}");
    }

    // Without a signal it takes a few seconds.
    let before = server.log_bytes();
    server.replace_callers(&rules_for(2));
    eventually("the file counts", || {
        server.log_after(before).contains("counts from now on")
    })
    .await;
    assert!(!is_served(1).await && is_served(2).await);

    // A file that is gone changes nothing; one that comes back counts.
    let path = server.folder().join("callers.toml");
    let before = server.log_bytes();
    std::fs::remove_file(&path).unwrap();
    server.signal("HUP");
    eventually("the file is missed", || {
        server.log_after(before).contains("cannot be read")
    })
    .await;
    assert!(!is_served(1).await && is_served(2).await);
    // As Kubernetes replaces a mounted file: by another target of a link.
    let target = server.folder().join("of-a-mount");
    std::fs::write(&target, rules_for(1)).unwrap();
    std::os::unix::fs::symlink(&target, &path).unwrap();
    server.signal("HUP");
    eventually("the file counts", || {
        server.log_after(before).contains("counts from now on")
    })
    .await;
    assert!(is_served(1).await && !is_served(2).await);
    // A caller that is removed is not known any more.
    server.replace_callers(
        &rules_for(1)
            .replace("uids", "local = true\nuids")
            .replace("name = \"me\"", "name = \"other\""),
    );
    server.signal("HUP");
    eventually("another caller", || {
        server.log().contains("every process of this machine")
    })
    .await;
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
