//! Memberships whose user is gone.

use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::support::{Backend, Client, Program, get_inbox, pb, viewer};

on_both_databases!(a_membership_of_a_deleted_user_gives_nothing);

/// Rails deletes the row of `users` first and the memberships in a job, which may be lost.
/// Administrator and agent, by every method that names an account.
async fn a_membership_of_a_deleted_user_gives_nothing(backend: Backend) {
    let database = backend.golden();
    let server = Program::serving(&database).start();
    let client = server.client().await;
    for user in [1, 2] {
        let deleted = viewer::user(user);
        assert!(get(&client, deleted).await.is_ok());
        assert!(find(&client, deleted).await.is_ok());
        assert!(list(&client, deleted).await.is_ok());
        database
            .execute(&format!("DELETE FROM users WHERE id = {user}"))
            .await;
        let memberships = format!(
            "SELECT user_id AS id FROM account_users WHERE account_id = 1 AND user_id = {user}"
        );
        assert_eq!(database.numbers(&memberships).await, [user]);

        let batch = pb::BatchGetInboxesRequest {
            account_id: 1,
            inbox_ids: vec![1],
            viewer: Some(deleted),
            ..Default::default()
        };
        for status in [
            get(&client, deleted).await.unwrap_err(),
            list(&client, deleted).await.unwrap_err(),
            client.batch(batch).await.err().unwrap(),
            find(&client, deleted).await.unwrap_err(),
        ] {
            assert_eq!(denied(&status), "ACCESS_DENIED", "user {user}");
        }
    }
}

async fn get(client: &Client, viewer: pb::Viewer) -> Result<(), Status> {
    let request = get_inbox(1, 1, viewer);
    client.get(request).await.map(drop)
}

async fn list(client: &Client, viewer: pb::Viewer) -> Result<(), Status> {
    let request = pb::ListInboxesRequest {
        account_id: 1,
        viewer: Some(viewer),
        ..Default::default()
    };
    let listed = client.list(request).await?;
    assert!(!listed.message.inboxes.is_empty());
    Ok(())
}

async fn find(client: &Client, viewer: pb::Viewer) -> Result<(), Status> {
    let request = pb::FindInboxesRequest {
        account_id: Some(1),
        viewer: Some(viewer),
        key: Some(pb::find_inboxes_request::Key::WebsiteToken(
            "wt-1".to_owned(),
        )),
        ..Default::default()
    };
    let found = client.find(request).await?;
    assert_eq!(found.message.inboxes.len(), 1);
    Ok(())
}

fn denied(status: &Status) -> String {
    assert_eq!(status.code(), Code::PermissionDenied, "{status:?}");
    status.get_details_error_info().unwrap().reason
}
