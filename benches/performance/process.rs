//! The processor time and the memory of processes, as the kernel counts them.

use std::{collections::BTreeMap, fs};

/// The kernel counts the time of ended processes in ticks.
const NANOSECONDS_PER_TICK: u64 = 10_000_000;

/// A server that is measured.
#[derive(Clone, Copy)]
pub enum Measured {
    /// One process, with all its threads.
    Process(u32),
    /// PostgreSQL, by its first process: all its processes, with those that have ended.
    Postgres(u32),
}

/// The processor time used so far, in nanoseconds, by thread or process.
pub struct ProcessorTime {
    live: BTreeMap<u32, u64>,
    ended: u64,
}

impl Measured {
    pub fn processor_time(self) -> ProcessorTime {
        match self {
            Self::Process(pid) => {
                let threads = ids(&format!("/proc/{pid}/task")).into_iter();
                let used = |id| Some((id, run_time(&format!("/proc/{pid}/task/{id}"))?));
                ProcessorTime {
                    live: threads.filter_map(used).collect(),
                    ended: 0,
                }
            }
            Self::Postgres(first) => {
                let all = ids("/proc").into_iter();
                let family = all.filter(|pid| *pid == first || parent(*pid) == Some(first));
                let used = |pid| Some((pid, run_time(&format!("/proc/{pid}"))?));
                ProcessorTime {
                    live: family.filter_map(used).collect(),
                    ended: ticks_of_ended(first) * NANOSECONDS_PER_TICK,
                }
            }
        }
    }
}

impl ProcessorTime {
    /// In microseconds. The time of a thread that has ended meanwhile is not counted.
    pub fn microseconds_since(&self, before: &Self) -> f64 {
        let live = self.live.iter().map(|(id, used)| {
            let before = before.live.get(id).copied().unwrap_or_default();
            used.saturating_sub(before)
        });
        // The ended time of a process includes the part before the measurement.
        let gone = before
            .live
            .iter()
            .filter(|it| !self.live.contains_key(it.0));
        let gone: u64 = gone.map(|(_, used)| used).sum();
        let ended = (self.ended - before.ended).saturating_sub(gone);
        (live.sum::<u64>() + ended) as f64 / 1e3
    }
}

/// The resident memory of a process, in bytes.
pub fn resident_bytes(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kilobytes = line.unwrap().split_whitespace().nth(1).unwrap();
    kilobytes.parse::<u64>().unwrap() * 1024
}

/// The parent of a process; `None` where the process has ended.
pub fn parent(pid: u32) -> Option<u32> {
    stat(pid)?.get(1)?.parse().ok()
}

/// The model of the processors, and their number.
pub fn processors() -> (String, usize) {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find(|line| line.starts_with("model name"));
    let model = model.and_then(|line| line.split_once(": "));
    let model = model.map_or("unknown", |(_, model)| model);
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    (model.to_owned(), count)
}

fn ids(folder: &str) -> Vec<u32> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name());
    names
        .filter_map(|name| name.to_str()?.parse().ok())
        .collect()
}

/// In nanoseconds; `None` where the thread or process has ended.
fn run_time(folder: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("{folder}/schedstat")).ok()?;
    text.split(' ').next()?.parse().ok()
}

/// The fields of `stat` from the state on.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, behind_name) = text.rsplit_once(") ")?;
    Some(behind_name.split(' ').map(ToOwned::to_owned).collect())
}

/// The time of children that were waited for, in user and system mode.
fn ticks_of_ended(pid: u32) -> u64 {
    let fields = stat(pid).unwrap_or_default();
    let ticks = fields.iter().skip(13).take(2);
    ticks.filter_map(|it| it.parse::<u64>().ok()).sum()
}
