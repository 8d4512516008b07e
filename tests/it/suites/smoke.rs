use crate::support::{Backend, Program, pb, viewer};

on_both_databases!(works);

async fn works(backend: Backend) {
    let database = backend.golden();
    let server = Program::serving(&database).start();
    let client = server.client().await;
    let inboxes = client.all(1, viewer::user(1)).await;
    println!("{}", inboxes.len());
    let one = client
        .get(pb::GetInboxRequest {
            account_id: 1,
            inbox_id: 3,
            viewer: Some(viewer::user(2)),
            detail: 0,
        })
        .await;
    println!("{one:?}");
    println!("{}", server.log());
}
