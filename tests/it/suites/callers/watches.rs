//! Watches of known callers: their rules, their limits, and what ends them.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant, SystemTime},
};

use tonic::{Request, metadata::MetadataValue};

use super::{
    audit::lines,
    certificates, file, get,
    issuers::{ISSUERS, KEYS, claims, now},
    metadata, needs,
    network::{DASHBOARD, Network, entry, uri},
    on_socket_with, uid,
};
use crate::support::{
    Backend, Program,
    pb::{self, ChannelKind, SecretGroup, inbox::Channel, watch_inboxes_response::Event},
    program::Server,
    reason, viewer,
    watch::{Watch, watch},
};

/// The rules of a caller that may watch an account, and more keys.
fn rules(account: i64, more: &str) -> String {
    file(&format!(
        "[[caller.may]]\nmethods = [\"WatchInboxes\", \"GetInbox\", \"ListInboxes\"]\n\
         accounts = [\"{account}\"]\nas = {{ users = \"any\", itself = true }}\n\
         detail = \"full\"\n{more}"
    ))
}

const SIGNING: &str = "secrets = [\"signing\"]";

fn server(callers: &str) -> (crate::support::Database, Server) {
    let database = Backend::Sqlite.golden();
    let server = on_socket_with(Program::serving(&database).with_admin(), callers);
    (database, server)
}

async fn open(server: &Server) -> Watch {
    let client = server.client().await;
    let mut opened = client.watch(watch(viewer::user(1))).await.unwrap();
    opened.batch().await.unwrap();
    opened
}

/// Whether any held inbox shows a secret of the group `signing`.
fn has_secrets(held: &BTreeMap<i64, pb::Inbox>) -> bool {
    held.values().any(|inbox| match &inbox.channel {
        Some(Channel::Api(api)) => api.hmac_token.is_some(),
        Some(Channel::WebWidget(widget)) => widget.hmac_token.is_some(),
        _ => false,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_has_to_name_the_method() {
    let (_database, server) = server(&rules(1, "").replace("\"WatchInboxes\", ", ""));
    let client = server.client().await;
    let status = client.watch(watch(viewer::user(1))).await.err().unwrap();
    assert_eq!(needs(&status), "method");
}

/// Watches do not count as calls, nor calls as watches.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_has_a_limit_of_watches() {
    let limits = "[caller.limits]\nwatches = 2\nconcurrent_calls = 1\n";
    let (_database, server) = server(&format!("{}\n{limits}", rules(1, "")));
    let client = server.client().await;
    let first = open(&server).await;
    let _second = open(&server).await;
    let status = client.watch(watch(viewer::user(1))).await.err().unwrap();
    assert_eq!(reason(&status), "CALLER_LIMIT_EXCEEDED");
    assert_eq!(metadata(&status)["limit"], "watches");
    get(&client, 1, viewer::user(1)).await.unwrap();
    drop(first);
    server
        .eventually_counted("leadchat_inbox_watches", &[], 1)
        .await;
    let _third = open(&server).await;

    // Open watches count where the limit changes.
    let reload = async |watches: &str, reloads: u32| {
        let limits = limits.replace("watches = 2", watches);
        server.replace_callers(&format!("{}\n{limits}", rules(1, "")));
        server.signal("HUP");
        let done = [("file", "callers"), ("result", "done")];
        server
            .eventually_counted("leadchat_inbox_reloads_total", &done, reloads)
            .await;
    };
    reload("watches = 3", 1).await;
    let _fourth = open(&server).await;
    let status = client.watch(watch(viewer::user(1))).await.err().unwrap();
    assert_eq!(reason(&status), "CALLER_LIMIT_EXCEEDED");
    reload("watches = 1", 2).await;
    let status = client.watch(watch(viewer::user(1))).await.err().unwrap();
    assert_eq!(reason(&status), "CALLER_LIMIT_EXCEEDED");
}

/// The rules that count now are those of an event.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changed_rules_apply_to_an_open_watch() {
    let (_database, server) = server(&rules(1, SIGNING));
    let mut watch = open(&server).await;
    assert!(has_secrets(&watch.held));

    // Fewer secrets: what had some comes again, without.
    let imap = "secrets = [\"imap\"]";
    server.replace_callers(&rules(1, imap));
    server.signal("HUP");
    let batch = watch.batch().await.unwrap();
    let signing: i32 = SecretGroup::Signing.into();
    assert!(!batch.is_empty() && batch.iter().all(|it| it.withheld.contains(&signing)));
    assert!(!has_secrets(&watch.held));

    // More.
    server.replace_callers(&rules(1, SIGNING));
    server.signal("HUP");
    assert!(!watch.batch().await.unwrap().is_empty());
    assert!(has_secrets(&watch.held));

    // Something else in the file.
    server.replace_callers(&rules(1, &format!("{SIGNING}\nwhy = \"other\"")));
    server.signal("HUP");
    assert!(watch.has_no_event_for(Duration::from_secs(2)).await);

    // No rule any more.
    let other = open(&server).await;
    server.replace_callers(&rules(2, SIGNING));
    server.signal("HUP");
    for watch in [watch, other] {
        assert_eq!(needs(&watch.end().await), "account");
    }
    server.eventually_ended_watches("rules", 2).await;
    let denied = lines(&server)
        .into_iter()
        .filter(|line| line["event"] == "denied" && line["method"] == "WatchInboxes");
    assert!(denied.count() >= 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_is_gone_watches_no_more() {
    let (_database, server) = server(&rules(1, SIGNING));
    let watch = open(&server).await;
    let uid_ = format!("uids = [{}]", uid());
    server.replace_callers(&rules(1, SIGNING).replace(&uid_, "uids = [4000000000]"));
    server.signal("HUP");
    assert_eq!(reason(&watch.end().await), "CALLER_UNKNOWN");
}

/// A token ends a minute after its time, and a watch with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_that_end_end_a_watch() {
    let sender = entry(
        "sender",
        "subjects = [{ issuer = \"jobs\", subject = \"sender\" }]",
    );
    let sender = sender.replace("\"GetInbox\"", "\"GetInbox\", \"WatchInboxes\"");
    let database = Backend::Sqlite.golden();
    let callers = format!("version = 1\n{ISSUERS}{sender}");
    let server = KEYS
        .program(Program::serving(&database).with_callers(&callers))
        .start();
    let client = server.client().await;
    let open = async |seconds: u64| {
        let mut claims = claims("sender");
        claims["iat"] = (now() - 100).into();
        claims["exp"] = (now() - 60 + seconds).into();
        let token = format!("Bearer {}", KEYS.es256.token(&claims));
        let mut request = Request::new(watch(viewer::service()));
        let value = MetadataValue::try_from(token).unwrap();
        request.metadata_mut().insert("authorization", value);
        client.watch_with(request, BTreeMap::new()).await
    };
    let began = Instant::now();
    let ends_soon = open(6).await.unwrap();
    let mut goes_on = open(600).await.unwrap();
    goes_on.batch().await.unwrap();
    let status = ends_soon.end().await;
    assert_eq!(reason(&status), "CREDENTIALS_EXPIRED");
    assert_eq!(metadata(&status)["credential"], "authorization");
    let took = began.elapsed();
    // The wall clock is asked each ten seconds.
    assert!(
        took > Duration::from_secs(4) && took < Duration::from_secs(40),
        "{took:?}"
    );
    assert!(goes_on.has_no_event_for(Duration::from_millis(500)).await);
    assert_eq!(reason(&open(0).await.err().unwrap()), "CREDENTIALS_EXPIRED");
    // A key that is not trusted any more.
    server.replace("jobs.jwks", &crate::support::tokens::jwks(&[&KEYS.eddsa]));
    server.signal("HUP");
    assert_eq!(reason(&goes_on.end().await), "CREDENTIALS_INVALID");
    assert!(!server.log().contains("Bearer"));
}

/// A call finds that the certificate has ended, and the connection ends a second later. Each watch
/// is told before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_ends_ends_all_watches() {
    let database = Backend::Sqlite.golden();
    let network = Network::new();
    let callers = certificates::callers().replace("\"GetInbox\"", "\"GetInbox\", \"WatchInboxes\"");
    let server = network.program(&database, &callers).with_admin().start();
    let (now, id) = (SystemTime::now(), uri(DASHBOARD));
    // Between a look at the clock after 10 s and a heartbeat after 15 s.
    let end = now + Duration::from_secs(12);
    let certificate =
        network
            .mesh
            .certificate_between("short", &id, (now - certificates::hours(1), end));
    let tls = network.tls(Some(&certificate));
    let client = tls.client(&server.address);
    let mut watches = Vec::new();
    for _ in 0..8 {
        let mut opened = client.watch(watch(viewer::service())).await.unwrap();
        opened.batch().await.unwrap();
        watches.push(opened);
    }
    while SystemTime::now() < end + Duration::from_millis(1200) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let status = get(&client, 1, viewer::service()).await.unwrap_err();
    assert_eq!(reason(&status), "CREDENTIALS_EXPIRED");
    for watch in watches {
        let status = watch.end().await;
        assert_eq!(reason(&status), "CREDENTIALS_EXPIRED", "{status:?}");
        assert_eq!(metadata(&status)["credential"], "certificate");
    }
    assert_eq!(tls.connections(), 1);
    server.eventually_ended_watches("credentials", 8).await;
}

/// One line for each batch with secrets, and none for others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_with_secrets_has_a_line() {
    let (database, server) = server(&rules(1, SIGNING));
    let disclosed = |server: &Server| -> Vec<_> {
        let lines = lines(server).into_iter();
        let of_watch =
            lines.filter(|line| line["event"] == "disclosed" && line["method"] == "WatchInboxes");
        of_watch.map(|line| line["inboxes"].clone()).collect()
    };
    let mut watch = open(&server).await;
    let first = disclosed(&server);
    assert_eq!(first.len(), 1);
    let of_kind = |is_of_kind: fn(&pb::Inbox) -> bool| {
        let mut of_kind = watch.held.values().filter(|inbox| is_of_kind(inbox));
        of_kind.next().unwrap().id
    };
    let with = of_kind(|inbox| inbox.channel_kind() == ChannelKind::Api);
    let without = of_kind(|inbox| inbox.channel_kind() == ChannelKind::Line);
    for (id, lines) in [(with, 2), (without, 2), (with, 3)] {
        let rename = format!("UPDATE inboxes SET name = 'n{lines}{id}' WHERE id = {id}");
        database.execute(&rename).await;
        let batch = watch.batch().await.unwrap();
        assert!(matches!(&batch[0].event, Event::Upserted(inbox) if inbox.id == id));
        let disclosed = disclosed(&server);
        assert_eq!(disclosed.len(), lines);
        if id == with {
            assert_eq!(disclosed.last().unwrap().as_array().unwrap().len(), 1);
        }
    }
}
