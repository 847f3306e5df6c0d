//! From counters to Prometheus' families, at scrape.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use prometheus::core::{Collector, Desc};
use prometheus::proto::{MetricFamily, MetricType};

use super::Metrics;
use super::counters::{
    CLOSES, OUTCOMES, QUERY_TYPES, REFUSALS, ReplyCounters, TRANSPORTS, TcpCounters, WorkerCounters,
};
use super::families::{counter, family, gauge, histogram, sum};
use crate::dns::Outcome;

impl Collector for Metrics {
    /// None: the families are the same at every scrape, and no other collector may claim their prefix.
    fn desc(&self) -> Vec<&Desc> {
        Vec::new()
    }

    /// Sums what all workers and connections counted.
    fn collect(&self) -> Vec<MetricFamily> {
        let workers: Vec<Arc<WorkerCounters>> = self.workers().clone();
        let mut families = Vec::new();
        families.extend(self.process());
        families.extend(self.replies(&workers));
        families.push(self.drops(&workers));
        families.extend(self.left(&workers));
        families.extend(self.forward.get().into_iter().flat_map(|forward| forward.families()));
        families.extend(batches(&workers));
        families.extend(connections("dns_tcp", "DNS", &self.tcp));
        families.extend(self.api.families());
        families.extend(connections("api", "API", &self.api_tcp));
        families.extend(self.grpc.families());
        families.extend(connections("grpc", "gRPC", &self.grpc_tcp));
        families.extend(self.transfers.families());
        families.extend(self.registry());
        families.extend(self.state.families());
        families.extend(self.follow.get().into_iter().flat_map(|status| super::follow::families(status)));
        // The encoder refuses families without a sample: a registry without namespaces has some.
        families.retain(|family| !family.get_metric().is_empty());
        families
    }
}

impl Metrics {
    /// What runs, and since when.
    fn process(&self) -> [MetricFamily; 2] {
        let build = gauge(1.0, &[("version", env!("CARGO_PKG_VERSION"))]);
        let started = gauge(self.started.as_secs_f64(), &[]);
        [
            family(
                "fingerpost_build_info",
                "Always 1; the labels tell what was built.",
                MetricType::GAUGE,
                vec![build],
            ),
            family(
                "process_start_time_seconds",
                "Start of the process, in seconds since the Unix epoch.",
                MetricType::GAUGE,
                vec![started],
            ),
        ]
    }

    /// Queries, their responses by rcode, truncations and octets.
    fn replies(&self, workers: &[Arc<WorkerCounters>]) -> [MetricFamily; 4] {
        let blocks: Vec<&ReplyCounters> = self.reply_blocks(workers).collect();
        let (mut queries, mut responses, mut octets) = (Vec::new(), Vec::new(), Vec::new());
        for (t, (_, transport)) in TRANSPORTS.iter().enumerate() {
            let mut by_rcode: Vec<(&str, u64)> = Vec::new();
            for (o, (outcome, label)) in OUTCOMES.iter().enumerate() {
                let rcode = rcode(*outcome);
                if rcode.is_none() && *outcome != Outcome::Deferred {
                    continue;
                }
                let mut all_types = 0;
                for (q, (_, qtype)) in QUERY_TYPES.iter().enumerate() {
                    let count = sum(blocks.iter().map(|block| &block.replies[t][q][o]));
                    let labels = [("transport", *transport), ("qtype", *qtype), ("outcome", *label)];
                    queries.push(counter(count as f64, &labels));
                    all_types += count;
                }
                let Some(rcode) = rcode else { continue };
                match by_rcode.iter_mut().find(|(known, _)| *known == rcode) {
                    Some((_, count)) => *count += all_types,
                    None => by_rcode.push((rcode, all_types)),
                }
            }
            responses.extend(
                by_rcode
                    .iter()
                    .map(|(rcode, count)| counter(*count as f64, &[("transport", transport), ("rcode", rcode)])),
            );
            let bytes = sum(blocks.iter().map(|block| &block.response_bytes[t]));
            octets.push(counter(bytes as f64, &[("transport", transport)]));
        }
        let truncated = sum(blocks.iter().map(|block| &block.truncated));
        [
            family(
                "fingerpost_dns_queries_total",
                "Queries that got a response, by how they ended; deferred ones were left to the cold side.",
                MetricType::COUNTER,
                queries,
            ),
            family("fingerpost_dns_responses_total", "Responses by rcode.", MetricType::COUNTER, responses),
            family(
                "fingerpost_dns_truncated_total",
                "Responses with TC set.",
                MetricType::COUNTER,
                vec![counter(truncated as f64, &[])],
            ),
            family(
                "fingerpost_dns_response_bytes_total",
                "Octets of responses, without the headers of their transport.",
                MetricType::COUNTER,
                octets,
            ),
        ]
    }

    /// What got no response, by reason.
    fn drops(&self, workers: &[Arc<WorkerCounters>]) -> MetricFamily {
        let mut reasons = Vec::new();
        for (o, (outcome, label)) in OUTCOMES.iter().enumerate() {
            if rcode(*outcome).is_none() && *outcome != Outcome::Deferred {
                let blocks = self.reply_blocks(workers);
                let silent = sum(blocks.flat_map(|block| block.replies.iter().flatten().map(|outcomes| &outcomes[o])));
                reasons.push((*label, silent));
            }
        }
        reasons.push(("oversized", sum(workers.iter().map(|worker| &worker.oversized))));
        reasons.push(("receive_buffer", sum(workers.iter().map(|worker| &worker.kernel_drops))));
        reasons.push(("send", sum(workers.iter().map(|worker| &worker.send_errors))));
        let metrics = reasons.iter().map(|(reason, count)| counter(*count as f64, &[("reason", reason)]));
        family(
            "fingerpost_dns_dropped_total",
            "Messages without a response: runt (shorter than a header), not_a_query (a response), oversized, \
             receive_buffer (the kernel's was full), send (the response could not be sent).",
            MetricType::COUNTER,
            metrics.collect(),
        )
    }

    /// What became of the queries that were left to the cold side.
    fn left(&self, workers: &[Arc<WorkerCounters>]) -> [MetricFamily; 4] {
        let by_transport = |counts: &[AtomicU64; TRANSPORTS.len()]| {
            let pairs = TRANSPORTS.iter().zip(counts);
            pairs.map(|((_, label), count)| counter(count.load(Relaxed) as f64, &[("transport", label)])).collect()
        };
        let shed = sum(workers.iter().map(|worker| &worker.shed));
        let name = |end: &str| format!("fingerpost_dns_deferred_{end}_total");
        [
            family(
                &name("shed"),
                "UDP queries for the cold side that got SERVFAIL, because its queue was full.",
                MetricType::COUNTER,
                vec![counter(shed as f64, &[])],
            ),
            family(
                &name("responses"),
                "Messages that the cold side sent to clients.",
                MetricType::COUNTER,
                by_transport(&self.deferred.responses),
            ),
            family(
                &name("response_bytes"),
                "Octets of those messages, without the headers of their transport.",
                MetricType::COUNTER,
                by_transport(&self.deferred.octets),
            ),
            family(
                &name("unsent"),
                "Messages of the cold side that could not be sent.",
                MetricType::COUNTER,
                by_transport(&self.deferred.unsent),
            ),
        ]
    }

    /// The published snapshot and the declaration it came from.
    fn registry(&self) -> Vec<MetricFamily> {
        let one = |name, help, kind, value: f64| {
            let metric = if kind == MetricType::COUNTER { counter(value, &[]) } else { gauge(value, &[]) };
            family(name, help, kind, vec![metric])
        };
        let load = |value: &AtomicU64| value.load(Relaxed) as f64;
        vec![
            one(
                "fingerpost_snapshot_revision",
                "Registry revision that answers show.",
                MetricType::GAUGE,
                load(&self.snapshot.revision),
            ),
            one(
                "fingerpost_snapshot_names",
                "Owner names in the snapshot, empty non-terminals included.",
                MetricType::GAUGE,
                load(&self.snapshot.names),
            ),
            one(
                "fingerpost_snapshot_instances",
                "Instances in the snapshot.",
                MetricType::GAUGE,
                load(&self.snapshot.instances),
            ),
            histogram("fingerpost_publish_seconds", "Time to compile and publish a change.", &[&self.publish], 1e9),
            one(
                "fingerpost_declaration_loads_total",
                "Times the declaration was read and applied.",
                MetricType::COUNTER,
                load(&self.declaration.loads),
            ),
            one(
                "fingerpost_declaration_failed_loads_total",
                "Times the declaration was read and refused.",
                MetricType::COUNTER,
                load(&self.declaration.failed),
            ),
            one(
                "fingerpost_declaration_faults",
                "Faults of the declaration as it is on disk; not 0 means that an older state is served.",
                MetricType::GAUGE,
                load(&self.declaration.faults),
            ),
        ]
    }

    /// The blocks that count replies.
    fn reply_blocks<'a>(
        &'a self,
        workers: &'a [Arc<WorkerCounters>],
    ) -> impl Iterator<Item = &'a ReplyCounters> + Clone {
        let workers = workers.iter().map(|worker| &worker.replies);
        workers.chain([&self.shared.replies])
    }
}

/// Connections of one kind: accepted, refused, closed, open.
pub(crate) fn connections(prefix: &str, kind: &str, tcp: &TcpCounters) -> [MetricFamily; 4] {
    // Closed ones are read first: a connection that comes and goes in between cannot make the gauge negative.
    let closed: Vec<u64> = tcp.closed.iter().map(|count| count.load(Relaxed)).collect();
    let accepted = tcp.accepted.load(Relaxed);
    let open = accepted.saturating_sub(closed.iter().sum());
    let by_close = CLOSES.iter().zip(&closed);
    let by_refusal = REFUSALS.iter().zip(&tcp.refused);
    let name = |end: &str| format!("fingerpost_{prefix}_connections_{end}");
    [
        family(
            &name("accepted_total"),
            &format!("{kind} connections accepted."),
            MetricType::COUNTER,
            vec![counter(accepted as f64, &[])],
        ),
        family(
            &name("refused_total"),
            &format!("{kind} connections refused, by the limit that was reached."),
            MetricType::COUNTER,
            by_refusal.map(|((_, reason), count)| counter(count.load(Relaxed) as f64, &[("reason", reason)])).collect(),
        ),
        family(
            &name("closed_total"),
            &format!("{kind} connections closed, by reason."),
            MetricType::COUNTER,
            by_close.map(|((_, reason), count)| counter(*count as f64, &[("reason", reason)])).collect(),
        ),
        family(
            &name("open"),
            &format!("{kind} connections open now."),
            MetricType::GAUGE,
            vec![gauge(open as f64, &[])],
        ),
    ]
}

/// How batches went, and what cut them short.
fn batches(workers: &[Arc<WorkerCounters>]) -> [MetricFamily; 3] {
    let seconds: Vec<_> = workers.iter().map(|worker| &worker.batch_seconds).collect();
    let queries: Vec<_> = workers.iter().map(|worker| &worker.batch_queries).collect();
    let restarts = sum(workers.iter().map(|worker| &worker.restarts));
    [
        histogram(
            "fingerpost_dns_batch_seconds",
            "Time from the receipt of a batch of UDP queries to the sending of its last response: an upper bound \
             of each query's time in the server.",
            &seconds,
            1e9,
        ),
        histogram("fingerpost_dns_batch_queries", "UDP queries in a batch.", &queries, 1.0),
        family(
            "fingerpost_dns_worker_restarts_total",
            "Panics after which a UDP worker went on.",
            MetricType::COUNTER,
            vec![counter(restarts as f64, &[])],
        ),
    ]
}

/// The rcode that an outcome has on the wire (RFC 1035, section 4.1.1; RFC 6891, section 9); none for silence.
fn rcode(outcome: Outcome) -> Option<&'static str> {
    match outcome {
        Outcome::Answer | Outcome::NoData | Outcome::Referral => Some("NOERROR"),
        Outcome::YxDomain => Some("YXDOMAIN"),
        Outcome::NxDomain => Some("NXDOMAIN"),
        Outcome::Refused => Some("REFUSED"),
        Outcome::FormErr => Some("FORMERR"),
        Outcome::NotImp => Some("NOTIMP"),
        Outcome::BadVers => Some("BADVERS"),
        Outcome::ServFail | Outcome::Withheld => Some("SERVFAIL"),
        Outcome::Runt | Outcome::NotAQuery | Outcome::Deferred => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::time::Duration;

    use super::*;
    use crate::dns::{QueryType, Reply, Transport};
    use crate::metrics::{Close, Refusal};

    fn reply(outcome: Outcome, length: usize) -> Reply {
        Reply { length, outcome, query_type: QueryType::A, truncated: length == 512 }
    }

    fn assert_lines(text: &str, lines: &[&str]) {
        for line in lines {
            assert!(text.lines().any(|found| found == *line), "no line {line} in\n{text}");
        }
    }

    #[test]
    fn workers_and_connections_are_summed() {
        let metrics = Metrics::new();
        let (one, two) = (metrics.worker(), metrics.worker());
        one.record(Transport::Udp, &reply(Outcome::Answer, 100));
        two.record(Transport::Udp, &reply(Outcome::Answer, 512));
        two.record(Transport::Udp, &reply(Outcome::NoData, 50));
        two.record(Transport::Udp, &reply(Outcome::Runt, 0));
        metrics.shared().record(Transport::Tcp, &reply(Outcome::Refused, 40));
        one.add_kernel_drops(3);
        two.add_oversized(2);
        two.add_send_errors(1);
        two.add_restarts(1);
        one.observe_batch(2, Duration::from_micros(3));
        two.observe_batch(200, Duration::from_secs(1));
        let text = metrics.render().unwrap();
        assert_lines(
            &text,
            &[
                r#"fingerpost_dns_queries_total{transport="udp",qtype="A",outcome="answer"} 2"#,
                r#"fingerpost_dns_queries_total{transport="udp",qtype="A",outcome="nodata"} 1"#,
                r#"fingerpost_dns_queries_total{transport="tcp",qtype="A",outcome="refused"} 1"#,
                r#"fingerpost_dns_responses_total{transport="udp",rcode="NOERROR"} 3"#,
                r#"fingerpost_dns_responses_total{transport="tcp",rcode="REFUSED"} 1"#,
                "fingerpost_dns_truncated_total 1",
                r#"fingerpost_dns_response_bytes_total{transport="udp"} 662"#,
                r#"fingerpost_dns_dropped_total{reason="runt"} 1"#,
                r#"fingerpost_dns_dropped_total{reason="receive_buffer"} 3"#,
                r#"fingerpost_dns_dropped_total{reason="oversized"} 2"#,
                r#"fingerpost_dns_dropped_total{reason="send"} 1"#,
                r#"fingerpost_dns_batch_seconds_bucket{le="0.000002048"} 0"#,
                r#"fingerpost_dns_batch_seconds_bucket{le="0.000004096"} 1"#,
                r#"fingerpost_dns_batch_seconds_bucket{le="+Inf"} 2"#,
                "fingerpost_dns_batch_seconds_sum 1.000003",
                r#"fingerpost_dns_batch_queries_bucket{le="2"} 1"#,
                r#"fingerpost_dns_batch_queries_bucket{le="128"} 1"#,
                "fingerpost_dns_batch_queries_count 2",
                "fingerpost_dns_worker_restarts_total 1",
            ],
        );
        assert!(!text.contains(r#"outcome="runt""#), "a runt is no query");
    }

    #[test]
    fn connections_are_open_until_closed() {
        let metrics = Metrics::new();
        let tcp = metrics.tcp();
        for _ in 0..3 {
            tcp.accepted();
        }
        tcp.closed(Close::Limit);
        tcp.refused(Refusal::Client);
        assert_lines(
            &metrics.render().unwrap(),
            &[
                "fingerpost_dns_tcp_connections_accepted_total 3",
                r#"fingerpost_dns_tcp_connections_closed_total{reason="limit"} 1"#,
                r#"fingerpost_dns_tcp_connections_closed_total{reason="idle"} 0"#,
                r#"fingerpost_dns_tcp_connections_refused_total{reason="client"} 1"#,
                "fingerpost_dns_tcp_connections_open 2",
            ],
        );
    }

    #[test]
    fn the_state_of_registry_and_declaration_is_shown() {
        let metrics = Metrics::new();
        metrics.published(7, 30, 20, Duration::from_micros(50));
        metrics.set_declaration(1, 2, 4);
        assert_lines(
            &metrics.render().unwrap(),
            &[
                "fingerpost_snapshot_revision 7",
                "fingerpost_snapshot_names 30",
                "fingerpost_snapshot_instances 20",
                "fingerpost_publish_seconds_count 1",
                "fingerpost_publish_seconds_sum 0.00005",
                "fingerpost_declaration_loads_total 1",
                "fingerpost_declaration_failed_loads_total 2",
                "fingerpost_declaration_faults 4",
            ],
        );
        assert_eq!((metrics.revision(), metrics.declaration_loads()), (7, 1));
    }

    #[test]
    fn names_follow_the_conventions() {
        let mut seen = HashSet::new();
        for family in Metrics::new().collect() {
            let name = family.name();
            assert!(name.starts_with("fingerpost_") || name == "process_start_time_seconds", "{name}");
            assert_eq!(name.ends_with("_total"), family.get_field_type() == MetricType::COUNTER, "{name}");
            assert!(family.help().ends_with('.'), "{name}");
            assert!(seen.insert(name.to_owned()), "{name} twice");
        }
    }
}
