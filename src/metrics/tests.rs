//! Names and bounds.

use std::collections::BTreeSet;

use enum_map::EnumMap;

use super::*;

fn metrics() -> Metrics {
    let process = ProcessFacts {
        version: "1.2.3",
        clock: || SystemTime::UNIX_EPOCH + Duration::from_secs(7),
        is_scraped: true,
        processor_time: || Duration::from_millis(1500),
    };
    Metrics::new(Duration::from_secs(2), process)
}

fn value(metrics: &Metrics, series: &str) -> String {
    let text = metrics.scrape().unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(series));
    line.map(|it| it.trim().to_owned()).unwrap_or_default()
}

#[test]
fn a_scrape_has_the_numbers_of_the_process() {
    let metrics = metrics();
    let of = |series| value(&metrics, series);
    assert_eq!(of("leadchat_inbox_build_info{version=\"1.2.3\"}"), "1");
    assert_eq!(of("process_start_time_seconds"), "7");
    assert_eq!(of("process_cpu_seconds_total"), "1.5");
    assert_eq!(of("leadchat_inbox_max_staleness_seconds"), "2.0");
    let memory: u64 = of("process_resident_memory_bytes").parse().unwrap();
    assert!(memory > 1 << 20);
}

/// A callers file that changes for years has no more series than this.
#[test]
fn names_of_callers_are_bounded() {
    let metrics = metrics();
    for caller in 0..2000 {
        metrics
            .callers
            .denied(&format!("caller-{caller}"), "method");
    }
    let text = metrics.scrape().unwrap();
    let series = text.lines().filter(|it| it.contains("_denied_total{"));
    assert_eq!(series.count(), 513);
    let others = "leadchat_inbox_denied_total{caller=\"other\",needs=\"method\"}";
    assert_eq!(value(&metrics, others), "1488");
}

#[tokio::test(start_paused = true)]
async fn accounts_of_a_caller_are_counted_in_windows() {
    let metrics = metrics();
    let count = || value(&metrics, "leadchat_inbox_caller_accounts{caller=\"a\"}");
    let ask = |accounts: std::ops::Range<i64>| {
        for account in accounts {
            let accounts = BTreeSet::from([account]);
            metrics
                .callers
                .answered("a", &accounts, &EnumMap::default());
        }
    };
    ask(0..100);
    ask(50..120);
    assert_eq!(count(), "120");
    // The window before counts until there are more.
    tokio::time::advance(Duration::from_mins(11)).await;
    assert_eq!(count(), "120");
    ask(0..7);
    assert_eq!(count(), "120");
    tokio::time::advance(Duration::from_mins(11)).await;
    assert_eq!(count(), "7");
    tokio::time::advance(Duration::from_mins(30)).await;
    assert_eq!(count(), "0");
    ask(0..10_000);
    assert_eq!(count(), "4096");
}

#[test]
fn a_file_is_stale_until_a_version_is_good() {
    use files::FileKind::{Authority, Callers};

    let metrics = metrics();
    let files = &metrics.files;
    let stale = |file| {
        value(
            &metrics,
            &format!("leadchat_inbox_stale{{file=\"{file}\"}}"),
        )
    };
    assert_eq!(stale("authority"), "0");
    files.refused(Authority, "mesh");
    files.refused(Authority, "old");
    files.refused(Callers, "");
    assert_eq!(
        (stale("authority"), stale("callers")),
        ("1".into(), "1".into())
    );
    files.reloaded(Authority, "mesh");
    assert_eq!(stale("authority"), "1");
    files.set_refused(Authority, ["mesh"]);
    assert_eq!(stale("authority"), "1");
    files.set_refused(Authority, []);
    assert_eq!(stale("authority"), "0");
    assert_eq!(Vec::from_iter(files.stale()), ["callers"]);
    let loaded = "leadchat_inbox_loaded_timestamp_seconds{file=\"authority\"}";
    assert_eq!(value(&metrics, loaded), "7");
}

#[test]
fn an_answer_beyond_the_bound_is_counted() {
    use crate::domain::freshness::{BootInstant, Freshness};

    let metrics = metrics();
    let beyond = || value(&metrics, "leadchat_inbox_answers_beyond_bound_total");
    let at = |seconds| BootInstant(Duration::from_secs(seconds));
    metrics.reads.answered(Freshness::Bounded, at(10), at(8));
    metrics.reads.answered(Freshness::Latest, at(10), at(11));
    assert_eq!(beyond(), "0");
    metrics.reads.answered(Freshness::Bounded, at(10), at(7));
    metrics.reads.answered(Freshness::Latest, at(10), at(9));
    assert_eq!(beyond(), "2");
}

/// Uses every metric once.
fn use_all(metrics: &Metrics) {
    use crate::domain::{
        channel::ChannelKind,
        degradation::DegradationReason,
        freshness::{BootInstant, Freshness},
        secret_group::SecretGroup,
    };

    let Metrics {
        calls,
        callers,
        connections,
        files,
        reads,
        caches,
        store,
        watches,
        registry: _,
    } = metrics;
    let mut call = calls.begin(calls::MethodLabels::other());
    call.ended(calls::GrpcCode::Ok);
    drop(call);
    calls.refused(calls::Refused::Overloaded);
    callers.unauthenticated("none", "missing");
    callers.denied("a", "method");
    callers.token(callers::TokenResult::Cached);
    let mut counts = EnumMap::<SecretGroup, callers::GroupCounts>::default();
    counts[SecretGroup::Imap].disclosed = 1;
    counts[SecretGroup::Imap].withheld_by_role = 1;
    callers.answered("a", &BTreeSet::from([1]), &counts);
    drop(connections.opened(connections::Transport::Tls));
    connections.handshake(connections::Handshake::Done);
    connections.accept_failed();
    files.loaded(files::FileKind::Callers);
    files.set_server_expiry(SystemTime::UNIX_EPOCH);
    reads.no_permit(reads::NoPermit::QueueFull);
    reads.statements.sent();
    reads.ended(reads::Shape::Account, reads::ReadResult::Ok, Duration::ZERO);
    let now = BootInstant(Duration::ZERO);
    reads.answered(Freshness::Bounded, now, now);
    let cache = caches.of(cache::CacheName::Flags);
    cache.count_lookup(Freshness::Bounded, cache::Lookup::Hit);
    cache.refresh(cache::Refresh::Begun);
    cache.evicted(cache::Evicted::Fresh);
    cache.read_load(|| {
        Some(cache::CacheLoad {
            entries: 1,
            bytes: 1,
            max_bytes: 1,
        })
    });
    store.degraded(Some(ChannelKind::Api), DegradationReason::Undecryptable);
    store.redis_read(store::RedisResult::Ok);
    store.set_redis_up(true);
    store.read_connections(|| store::ConnectionLoad {
        in_use: 1,
        idle: 1,
        available: 1,
    });
    drop(watches.opened());
    watches.sent(watches::WatchEventName::Synced);
    watches.ended(watches::WatchEnded::Client);
    watches.watched(1, 1, Duration::ZERO);
    watches.poll_failed();
    watches.read_oldest_age(|| Some(Duration::ZERO));
}

/// The alerts and the dashboard are compared with the same table.
#[test]
fn names_are_those_of_the_document() {
    let metrics = metrics();
    use_all(&metrics);
    let text = metrics.scrape().unwrap();
    let served: BTreeSet<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .collect();
    let document = include_str!("../../docs/operations.md");
    let section = document.split("\n## Metrics\n").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let documented: Vec<_> = section
        .lines()
        .filter_map(|line| {
            let (name, rest) = line.strip_prefix("| `")?.split_once("` | ")?;
            Some(format!("{name} {}", rest.split_once(" |")?.0))
        })
        .collect();
    let documented: BTreeSet<_> = documented.iter().map(String::as_str).collect();
    assert_eq!(served, documented);
}
