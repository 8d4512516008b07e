//! The etag of an inbox of which large values are left out.

use super::*;

on_both_databases!(an_etag_covers_what_is_shown);

async fn etag(server: &Server, viewer: pb::Viewer) -> String {
    let client = server.client().await;
    let inboxes = by_every_method(&client, viewer, LEAST).await;
    let basic = pb::GetInboxRequest {
        detail: pb::InboxDetail::Basic.into(),
        ..get(viewer)
    };
    let basic = client.get(basic).await.unwrap().message.inbox.unwrap();
    assert_eq!(left_out(&basic), [""; 0]);
    assert!(inboxes.iter().all(|inbox| inbox.etag == basic.etag));
    basic.etag
}

/// Equal on all replicas and databases, in every answer, and another one only where an answer is.
async fn an_etag_covers_what_is_shown(backend: Backend) {
    let databases = [
        backend.golden(),
        Backend::Postgres.golden(),
        Backend::Sqlite.golden(),
    ];
    let mut etags = BTreeMap::new();
    for database in &databases {
        set_templates(database, 250).await;
        let server = with_least_limit(database);
        for viewer in [ADMINISTRATOR, AGENT] {
            let is_administrator = viewer == ADMINISTRATOR;
            let of_viewer: &mut Vec<_> = etags.entry(is_administrator).or_default();
            of_viewer.push(etag(&server, viewer).await);
        }
    }
    for of_viewer in etags.values() {
        assert!(
            of_viewer.iter().all(|etag| *etag == of_viewer[0]),
            "{etags:?}"
        );
    }
    let server = with_least_limit(&databases[0]);
    set_templates(&databases[0], 251).await;
    assert_eq!(etag(&server, AGENT).await, etags[&false][0]);
    let shown = format!("UPDATE inboxes SET greeting_message = 'another' WHERE id = {INBOX}");
    databases[0].execute(&shown).await;
    assert_ne!(etag(&server, AGENT).await, etags[&false][0]);
    set_templates(&databases[0], 1).await;
    let few = etag_of_whole(&server).await;
    set_templates(&databases[0], 2).await;
    assert_ne!(etag_of_whole(&server).await, few);
}

/// Of an inbox of which nothing is left out.
async fn etag_of_whole(server: &Server) -> String {
    let inbox = server
        .client()
        .await
        .get(get(AGENT))
        .await
        .unwrap()
        .message
        .inbox
        .unwrap();
    assert_eq!(left_out(&inbox), [""; 0]);
    inbox.etag
}
