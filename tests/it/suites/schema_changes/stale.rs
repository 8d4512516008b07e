//! A plan that PostgreSQL has kept of a prepared statement, and that no longer holds.

use futures_util::future::join_all;

use super::get;
use crate::support::{Backend, Program, client::retried, leadchat_versions, log::failed_reads};

/// PostgreSQL refuses it (0A000) when the type of a result has changed. No change of
/// leadchat's tables does that, since all columns are cast. Here a function refuses
/// statements that were prepared before. Prepared anew, they have another text, and one
/// look at the tables serves all who met this.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_plan_is_rebuilt() {
    let database = leadchat_versions::of_the_seed(Backend::Postgres).await;
    database.execute(leadchat_versions::ROWS).await;
    let server = Program::serving(&database).start();
    let client = server.client().await;
    let before = client.get(get(super::API)).await.unwrap();
    database
        .execute(
            "CREATE FUNCTION is_prepared_anew() RETURNS boolean LANGUAGE plpgsql STABLE AS $$
            BEGIN
                IF current_query() !~ '/[*] [0-9]+ [*]/$' THEN
                    RAISE EXCEPTION 'cached plan must not change result type'
                        USING ERRCODE = '0A000';
                END IF;
                RETURN true;
            END $$;
            ALTER TABLE inboxes RENAME TO kept;
            CREATE VIEW inboxes AS SELECT * FROM kept WHERE is_prepared_anew()",
        )
        .await;
    let calls = (0..8).map(|_| retried(|| client.get(get(super::API))));
    for answer in join_all(calls).await {
        assert_eq!(answer.unwrap().content(), before.content());
    }
    let log = server.log();
    assert_eq!(log.matches("probed the schema again").count(), 1);
    assert_eq!(failed_reads(&log), [""; 0]);
}
