//! I8: how often the same request is read, seen from outside.
//!
//! Every answer of one read has its read time. It is shown as it was or earlier, so that of
//! the read is the latest of those that are close together. The time of the log is no
//! measure, because a line is written when its statement has ended.
//!
//! A read begins when the answer in memory is at least 0.75 B old, less a tenth of B at most
//! that spreads reads. So two reads are 0.675 B apart. A call with LATEST reads when it
//! needs to, and so does a watch that is opened. Its read serves others too, and is left
//! out. If it ends in an error, any time of the call may be that of its read.

use std::collections::BTreeMap;

use super::{
    checker::{Answer, MILLISECOND},
    model::{Method, Outcome, Request, Viewer},
};

/// A read that came too early after the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepeatedRead {
    pub replica: usize,
    pub request: Request,
    /// In nanoseconds.
    pub interval: i64,
}

/// The same where many answers show each read.
pub const INTERVAL_ALLOWANCE: i64 = 20 * MILLISECOND;

/// Answers of one request by one replica, and the number of entries in memory that may
/// answer it.
struct Series {
    entries: usize,
    bounded: Vec<i64>,
}

/// The least time between two reads of a request, for a bound.
pub const fn least_interval(bound: i64) -> i64 {
    bound * 675 / 1000
}

/// The reads that answers show: the latest of read times that are close to each other. Two
/// reads as close as that are seen as one; the statements of the log tell them apart.
pub fn reads(mut read_times: Vec<i64>, bound: i64) -> Vec<i64> {
    read_times.sort_unstable();
    let mut reads: Vec<i64> = Vec::new();
    let mut first = i64::MIN;
    for time in read_times {
        if time.saturating_sub(first) > bound * 3 / 10 {
            reads.push(time);
            first = time;
        } else if let Some(last) = reads.last_mut() {
            *last = time;
        }
    }
    reads
}

/// For a pause between the two clocks of a read time that one answer alone shows.
const fn allowance(bound: i64) -> i64 {
    bound / 8
}

/// From and to when accounts may have been read for watches, by replica and account.
pub type WatchReads = BTreeMap<(usize, i64), Vec<(i64, i64)>>;

/// How many reads were seen, if none came too early.
pub fn check_reads(
    answers: &[Answer],
    openings: &WatchReads,
    bound: i64,
) -> Result<usize, RepeatedRead> {
    // From and to when the latest may have been read, on each replica.
    let mut latest: BTreeMap<usize, Vec<(i64, i64)>> = BTreeMap::new();
    let mut series: BTreeMap<(usize, Request), Series> = BTreeMap::new();
    for answer in answers {
        if answer.is_latest {
            let read_time = answer.read_time;
            let times = read_time.map_or((answer.sent, answer.received), |time| (time, time));
            latest.entry(answer.replica).or_default().push(times);
        } else if let (Some(read_time), Some((request, entries))) =
            (answer.read_time, entries(&answer.request))
        {
            let bounded = Vec::new();
            let key = (answer.replica, request);
            let series = series.entry(key).or_insert(Series { entries, bounded });
            series.bounded.push(read_time);
        }
    }
    let mut count = 0;
    for ((replica, request), mut it) in series {
        let of_watches = openings.get(&(replica, request.account));
        let of_watches = of_watches.map_or(&[][..], Vec::as_slice);
        let of_latest = latest.get(&replica).map_or(&[][..], Vec::as_slice);
        let is_of_latest = |time: i64| {
            let is_near = |(from, to): &(i64, i64)| {
                (from - allowance(bound)..=to + allowance(bound)).contains(&time)
            };
            of_latest.iter().chain(of_watches).any(is_near)
        };
        it.bounded.retain(|time| !is_of_latest(*time));
        let reads = reads(it.bounded, bound);
        count += reads.len();
        for window in reads.windows(it.entries + 1) {
            let interval = window[it.entries] - window[0];
            if interval + allowance(bound) < least_interval(bound) {
                return Err(RepeatedRead {
                    replica,
                    request,
                    interval,
                });
            }
        }
    }
    Ok(count)
}

/// A request for each entry in memory, with the number of entries that may answer it: its
/// own, and that of the whole account. Several inboxes have no entry of their own.
fn entries(request: &Request) -> Option<(Request, usize)> {
    let (account, viewer) = (request.account, request.viewer);
    let (account, viewer, entries) = match request.method {
        Method::Get(_) => (account, viewer, 2),
        Method::Find(_) => (account, viewer, 1),
        // All viewers share the account.
        Method::List => (account, Viewer::Service, 1),
        Method::FindEverywhere(_) => (0, Viewer::Service, 1),
        Method::Batch(_) => return None,
    };
    let method = request.method.clone();
    let request = Request {
        account,
        viewer,
        method,
    };
    Some((request, entries))
}

#[test]
fn reads_of_one_request_in_quick_succession_are_refused() {
    const BOUND: i64 = 1000 * MILLISECOND;

    // Milliseconds. The outcome is of no concern.
    let answer = |time: i64, method: &Method| Answer {
        request: Request {
            account: 1,
            viewer: Viewer::Service,
            method: method.clone(),
        },
        replica: 0,
        is_latest: false,
        sent: time * MILLISECOND,
        received: (time + 1) * MILLISECOND,
        read_time: Some(time * MILLISECOND),
        outcome: Outcome::Denied,
    };
    let at = |read_times: &[i64], method: &Method| {
        let answers = read_times.iter().map(|time| answer(*time, method));
        check_reads(&answers.collect::<Vec<_>>(), &WatchReads::new(), BOUND)
    };
    // Several answers of the same read.
    assert_eq!(at(&[0, 0, 700, 699, 1400], &Method::List), Ok(3));
    let RepeatedRead { interval, .. } = at(&[0, 700, 1240], &Method::List).unwrap_err();
    assert_eq!(interval, 540 * MILLISECOND);
    // An inbox may be answered from two entries, and several inboxes have none.
    assert_eq!(at(&[0, 310, 700, 1010], &Method::Get(1)), Ok(4));
    assert_eq!(at(&[0, 100, 200], &Method::Batch(vec![1, 2])), Ok(0));
    assert_eq!(reads(vec![50, 0, 52], 100), [0, 52]);
    let unshared: Vec<_> = (0..50).map(|index| index * 30).collect();
    assert!(at(&unshared, &Method::Get(1)).is_err());
    assert!(at(&unshared, &Method::List).is_err());
    // Viewers share an account.
    let mut by_user = answer(310, &Method::List);
    by_user.request.viewer = Viewer::User(7);
    let by_two = [answer(0, &Method::List), by_user];
    assert!(check_reads(&by_two, &WatchReads::new(), BOUND).is_err());
    // One of them was read for a watch.
    let opened = vec![(305 * MILLISECOND, 320 * MILLISECOND)];
    let opened = |account| WatchReads::from([((0, account), opened.clone())]);
    assert_eq!(check_reads(&by_two, &opened(1), BOUND), Ok(1));
    assert!(check_reads(&by_two, &opened(2), BOUND).is_err());

    // Times of reads for the latest are left out. Replicas and requests are apart.
    let bounded = |time| answer(time, &Method::List);
    let latest = |read_time| Answer {
        is_latest: true,
        read_time,
        ..bounded(300)
    };
    let elsewhere = Answer {
        replica: 1,
        ..bounded(300)
    };
    for read_time in [bounded(300).read_time, None] {
        let answers = [bounded(0), latest(read_time), bounded(300)];
        let others = [
            elsewhere.clone(),
            answer(500, &Method::Find(1)),
            bounded(980),
        ];
        let all = [&answers[..], &others].concat();
        assert_eq!(check_reads(&all, &WatchReads::new(), BOUND), Ok(4));
    }
}
