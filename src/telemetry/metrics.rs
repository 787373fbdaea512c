//! The metrics: a closed list. Each is read from its owner when somebody scrapes, so that nothing hot counts
//! twice; labels come from small fixed sets, never from callers.

use std::fmt::{Debug, Write as _};
use std::hash::Hash;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// A channel and an outcome.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ChannelOutcome {
    /// Lower-case name of the channel.
    pub channel: &'static str,
    /// Lower-case name of the outcome.
    pub outcome: &'static str,
}

/// A configured provider.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ProviderName {
    /// Its name in the settings.
    pub provider: String,
}

/// A way in which nodes agree.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ModeName {
    /// Its lower-case name.
    pub mode: &'static str,
}

/// Every figure of a node at one moment. Totals never fall while the process lives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Calls to providers.
    pub calls_total: u64,
    /// Verdicts by channel and outcome.
    pub verdicts_total: Vec<(ChannelOutcome, u64)>,
    /// Settlements whose claim was lost.
    pub fences_dropped_total: u64,
    /// Settle commits that failed and were repeated.
    pub settle_failures_total: u64,
    /// Every provider: 1 while it is held because its settings are wrong, otherwise 0.
    pub providers_held: Vec<(ProviderName, u64)>,
    /// Every way in which nodes agree: 1 for the one of this moment, otherwise 0.
    pub coordination_modes: Vec<(ModeName, u64)>,
    /// How often this node was taken for dead and joined anew.
    pub leases_lost_total: u64,
    /// Dead nodes whose batches this one gave back.
    pub nodes_taken_over_total: u64,
    /// The epoch under which this node claims.
    pub node_epoch: u64,
    /// Calls that wait for their answer.
    pub calls_open: u64,
    /// Batches that this node holds.
    pub batches_held: u64,
    /// Live inbox streams.
    pub inbox_streams: u64,
    /// The change of the directory that this node has seen last.
    pub directory_seq: u64,
    /// Legs whose books did not balance at the last check.
    pub books_unbalanced: u64,
    /// When the books were last found balanced, in seconds since 1970; 0: never.
    pub books_balanced_at_s: u64,
}

/// The figures in the OpenMetrics text format.
#[must_use]
pub fn text(figures: &Figures) -> String {
    let mut registry = Registry::with_prefix("campanile");
    let counter = |registry: &mut Registry, name: &str, help: &str, value: u64| {
        let counter: Counter = Counter::default();
        counter.inc_by(value);
        registry.register(name, help, counter);
    };
    counter(&mut registry, "calls", "Calls to providers", figures.calls_total);
    counter(&mut registry, "fences_dropped", "Settlements whose claim was lost", figures.fences_dropped_total);
    counter(&mut registry, "settle_failures", "Settle commits that failed", figures.settle_failures_total);
    counter(&mut registry, "leases_lost", "Times that this node was taken for dead", figures.leases_lost_total);
    counter(&mut registry, "nodes_taken_over", "Dead nodes whose work was given back", figures.nodes_taken_over_total);
    let verdicts = Family::<ChannelOutcome, Counter>::default();
    for (labels, value) in &figures.verdicts_total {
        verdicts.get_or_create(labels).inc_by(*value);
    }
    registry.register("verdicts", "Verdicts of providers by channel and outcome", verdicts);
    family(
        &mut registry,
        "provider_held",
        "Held because its settings or credentials are wrong",
        &figures.providers_held,
    );
    family(&mut registry, "coordination_mode", "How nodes agree at the moment", &figures.coordination_modes);
    let gauge = |registry: &mut Registry, name: &str, help: &str, value: u64| {
        let gauge: Gauge = Gauge::default();
        gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        registry.register(name, help, gauge);
    };
    gauge(&mut registry, "node_epoch", "The epoch under which this node claims", figures.node_epoch);
    gauge(&mut registry, "calls_open", "Calls that wait for their answer", figures.calls_open);
    gauge(&mut registry, "batches_held", "Batches that this node holds", figures.batches_held);
    gauge(&mut registry, "inbox_streams", "Live inbox streams", figures.inbox_streams);
    gauge(&mut registry, "directory_seq", "Last change of the directory seen", figures.directory_seq);
    gauge(&mut registry, "books_unbalanced", "Legs whose books do not balance", figures.books_unbalanced);
    let balanced_at = figures.books_balanced_at_s;
    gauge(&mut registry, "books_balanced_at_seconds", "When the books were last found balanced", balanced_at);
    let mut text = String::new();
    if encode(&mut text, &registry).is_err() {
        let _ = writeln!(text, "# EOF");
    }
    text
}

/// One gauge for each of some labels.
fn family<L>(registry: &mut Registry, name: &str, help: &str, values: &[(L, u64)])
where
    L: EncodeLabelSet + Clone + Debug + Eq + Hash + Send + Sync + 'static,
{
    let gauges = Family::<L, Gauge>::default();
    for (labels, value) in values {
        gauges.get_or_create(labels).set(i64::try_from(*value).unwrap_or(i64::MAX));
    }
    registry.register(name, help, gauges);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_is_shown_with_its_help() {
        let sent = ChannelOutcome { channel: "email", outcome: "sent" };
        let wrong = ProviderName { provider: "email.main".to_owned() };
        let figures = Figures {
            calls_total: 7,
            verdicts_total: vec![(sent, 3)],
            providers_held: vec![(wrong, 1)],
            coordination_modes: vec![(ModeName { mode: "apart" }, 1)],
            ..Figures::default()
        };
        let text = text(&figures);
        assert!(text.contains("campanile_calls_total 7"), "{text}");
        assert!(text.contains("campanile_verdicts_total{channel=\"email\",outcome=\"sent\"} 3"), "{text}");
        assert!(text.contains("campanile_provider_held{provider=\"email.main\"} 1"), "{text}");
        assert!(text.contains("campanile_coordination_mode{mode=\"apart\"} 1"), "{text}");
        assert!(text.contains("# HELP campanile_calls_open"), "{text}");
        assert!(text.ends_with("# EOF\n"), "{text}");
    }
}
