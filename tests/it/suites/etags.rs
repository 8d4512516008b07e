//! An inbox's etag changes with what is disclosed, and only then; it is the same
//! on every replica.

use crate::support::{Backend, Program, client::any_inbox as request, pb, viewer};

on_both_databases!(
    etags_change_with_what_is_disclosed_and_only_then,
    etags_are_equal_on_every_replica_with_the_same_key,
);

async fn etags_change_with_what_is_disclosed_and_only_then(backend: Backend) {
    let database = backend.golden();
    let server = Program::caching(&database).start();
    let client = server.client().await.asking_twice();
    let etags = async || {
        let mut etags = Vec::new();
        for viewer in [viewer::user(1), viewer::service()] {
            for detail in [1, 2] {
                let request = pb::GetInboxRequest {
                    viewer: Some(viewer),
                    detail,
                    ..request()
                };
                etags.push(
                    client
                        .get(request)
                        .await
                        .unwrap()
                        .message
                        .inbox
                        .unwrap()
                        .etag,
                );
            }
        }
        etags
    };
    let before = etags().await;
    // One a role, whatever the detail.
    assert_eq!(before[0], before[1]);
    assert_eq!(before[2], before[3]);
    assert_ne!(before[0], before[2]);
    assert_eq!(before, etags().await);
    client.ask_again(&server).await;
    database.execute("UPDATE inboxes SET updated_at = '2030-01-01', email_address = 'x' WHERE id = 1; UPDATE inboxes SET name = 'other' WHERE id = 2").await;
    assert_eq!(before, etags().await);
    for change in [
        "UPDATE inboxes SET greeting_message = 'other' WHERE id = 1",
        "UPDATE inboxes SET greeting_message = NULL WHERE id = 1",
        "UPDATE inboxes SET greeting_message = '' WHERE id = 1",
        "UPDATE channel_web_widgets SET feature_flags = 2 WHERE id = 1",
        "UPDATE portals SET name = 'other' WHERE id = 1",
        "DELETE FROM working_hours WHERE inbox_id = 1 AND day_of_week = 3",
        "UPDATE channel_web_widgets SET reply_time = 9 WHERE id = 1",
    ] {
        let before = etags().await;
        client.ask_again(&server).await;
        database.execute(change).await;
        let after = etags().await;
        assert!(
            before
                .iter()
                .zip(&after)
                .all(|(before, after)| before != after),
            "{change}"
        );
    }
    client.ask_again(&server).await;
}

async fn etags_are_equal_on_every_replica_with_the_same_key(backend: Backend) {
    let databases = [
        backend.golden(),
        Backend::Postgres.golden(),
        Backend::Sqlite.golden(),
    ];
    // Values that cannot be carried, in an order that jsonb does not keep.
    let odd = r#"UPDATE channel_api SET additional_attributes =
        '{"bb": 1e400, "a": 9007199254740993, "dup": 1e400, "dup": 1, "z": [1e400]}' WHERE id = 191"#;
    for database in &databases {
        database.execute(odd).await;
    }
    let mut seen = Vec::new();
    for database in &databases {
        let server = Program::caching(database).start();
        let client = server.client().await.asking_twice();
        let mut inboxes = client.all(1, viewer::user(1)).await;
        inboxes.extend(client.all(3, viewer::service()).await);
        inboxes.extend(client.all(3, viewer::user(9)).await);
        client.ask_again(&server).await;
        seen.push(inboxes);
    }
    // Not only the etags: the two databases answer alike.
    assert!(seen[0] == seen[1]);
    assert!(seen[0] == seen[2]);
    assert_eq!(seen[0].len(), 122);

    // Without a key, or with another, an administrator's etags are others; an
    // agent's are the same, but where a picture's address is signed.
    for other in [
        Program::serving(&databases[0]).without_env("SECRET_KEY_BASE"),
        Program::serving(&databases[0]).env("SECRET_KEY_BASE", "other"),
    ] {
        let server = other.start();
        let client = server.client().await;
        let administrator = client.all(1, viewer::user(1)).await;
        assert!(
            administrator
                .iter()
                .zip(&seen[0])
                .all(|(a, b)| a.etag != b.etag)
        );
        let agent = client.all(3, viewer::service()).await;
        let mut signed = 0;
        for (a, b) in agent.iter().zip(&seen[0][88..]) {
            let is_signed = b.avatar_url.as_ref().is_some_and(|url| !url.is_empty());
            assert_eq!(a.etag != b.etag, is_signed, "inbox {}", b.id);
            signed += usize::from(is_signed);
        }
        assert_eq!(signed, 1);
    }
}
