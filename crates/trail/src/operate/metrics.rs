//! Numbers about a running collector, in Prometheus' text form.

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter as RawCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge as RawGauge;
use prometheus_client::registry::Registry;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Only goes up.
pub type Counter = RawCounter;

/// Goes up and down. Whole numbers: bytes, milliseconds, counts.
pub type Gauge = RawGauge;

type Labels = Vec<(String, String)>;

/// All numbers of a process. Every part adds its own: asking twice for the same name and labels gives the same number.
#[derive(Clone)]
pub struct Metrics {
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    registry: Registry,
    counters: BTreeMap<String, Family<Labels, Counter>>,
    gauges: BTreeMap<String, Family<Labels, Gauge>>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            inner: Arc::new(Mutex::new(Inner {
                registry: Registry::with_prefix("pgattest_trail"),
                counters: BTreeMap::new(),
                gauges: BTreeMap::new(),
            })),
        }
    }
}

impl Metrics {
    /// A counter: `pgattest_trail_<name>_total`. `help` is a sentence without a period.
    pub fn counter(&self, name: &str, help: &str, labels: &[(&str, &str)]) -> Counter {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let Inner {
            registry, counters, ..
        } = &mut *inner;
        counters
            .entry(name.to_owned())
            .or_insert_with(|| {
                let family = Family::default();
                registry.register(name, help, family.clone());
                family
            })
            .get_or_create(&owned(labels))
            .clone()
    }

    /// A gauge: `pgattest_trail_<name>`. `help` is a sentence without a period.
    pub fn gauge(&self, name: &str, help: &str, labels: &[(&str, &str)]) -> Gauge {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let Inner {
            registry, gauges, ..
        } = &mut *inner;
        gauges
            .entry(name.to_owned())
            .or_insert_with(|| {
                let family = Family::default();
                registry.register(name, help, family.clone());
                family
            })
            .get_or_create(&owned(labels))
            .clone()
    }

    /// Everything, for a scrape: `OpenMetrics` text, which Prometheus reads.
    pub fn render(&self) -> String {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        // Writing into a string does not fail.
        let _ = encode(&mut text, &inner.registry);
        text
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

fn owned(labels: &[(&str, &str)]) -> Labels {
    labels
        .iter()
        .map(|(name, value)| ((*name).to_owned(), escaped(value)))
        .collect()
}

/// The crate writes a label's value as it is; the text form wants three characters escaped.
fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::Metrics;

    #[test]
    fn the_same_name_and_labels_are_the_same_number() {
        let metrics = Metrics::default();
        let sink = [("sink", "sp\"lunk\n")];
        metrics
            .counter("sent_records", "Records that a sink has confirmed", &sink)
            .inc();
        metrics
            .counter("sent_records", "Records that a sink has confirmed", &sink)
            .inc_by(2);
        metrics
            .gauge("lag_bytes", "Bytes of the logs that are not sealed", &[])
            .set(7);
        let text = metrics.render();
        assert!(
            text.contains("pgattest_trail_sent_records_total{sink=\"sp\\\"lunk\\n\"} 3\n"),
            "{text}"
        );
        assert!(text.contains("pgattest_trail_lag_bytes{} 7\n"), "{text}");
    }
}
