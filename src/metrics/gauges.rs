//! Gauges whose values are read at a scrape, from what exists anyway.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
};

/// Reads a value; `None` if there is none any more.
type Read = Box<dyn Fn() -> Option<Value> + Send + Sync>;

enum Value {
    Count(i64),
    Seconds(f64),
}

/// Gauges by name. Clones have the same ones.
#[derive(Clone, Default)]
pub struct Gauges(Arc<Mutex<BTreeMap<&'static str, Family>>>);

struct Family {
    help: &'static str,
    /// With the one label of each, or without.
    gauges: Vec<(Option<Label>, Read)>,
}

type Label = (&'static str, &'static str);

impl Gauges {
    pub fn add(
        &self,
        name: &'static str,
        help: &'static str,
        label: Option<Label>,
        read: impl Fn() -> Option<i64> + Send + Sync + 'static,
    ) {
        self.add_read(
            name,
            help,
            label,
            Box::new(move || read().map(Value::Count)),
        );
    }

    /// A time, in seconds.
    pub fn add_time(
        &self,
        name: &'static str,
        help: &'static str,
        read: impl Fn() -> Option<Duration> + Send + Sync + 'static,
    ) {
        let seconds = move || Some(Value::Seconds(read()?.as_secs_f64()));
        self.add_read(name, help, None, Box::new(seconds));
    }

    fn add_read(&self, name: &'static str, help: &'static str, label: Option<Label>, read: Read) {
        let mut families = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let family = families.entry(name).or_insert_with(|| Family {
            help,
            gauges: Vec::new(),
        });
        family.gauges.push((label, read));
    }
}

impl fmt::Debug for Gauges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Gauges").finish_non_exhaustive()
    }
}

impl Collector for Gauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let families = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, family) in &*families {
            let mut family_encoder =
                encoder.encode_descriptor(name, family.help, None, MetricType::Gauge)?;
            for (label, read) in &family.gauges {
                let Some(value) = read() else { continue };
                let labels = label.as_slice();
                let encoder = family_encoder.encode_family(&labels)?;
                match value {
                    Value::Count(count) => ConstGauge::new(count).encode(encoder)?,
                    Value::Seconds(seconds) => ConstGauge::new(seconds).encode(encoder)?,
                }
            }
        }
        Ok(())
    }
}
