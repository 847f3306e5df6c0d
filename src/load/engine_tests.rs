//! Runs against responders that do what they should not.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use super::data::Data;
use super::report::{Report, Step};
use super::{Mix, Pace, Plan, Popularity, Questions, Transport, run};

/// How a responder goes wrong.
#[derive(Clone, Copy, Default)]
struct Manners {
    /// Leaves every so many queries without an answer.
    drop_each: u64,
    /// Answers every so many with addresses of another service, with another TTL, and with a record twice.
    wrong_each: u64,
    /// Pauses for so long, once, after the first second.
    stall: Duration,
    /// Answers everything twice.
    twice: bool,
}

/// Answers until dropped.
struct Responder {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn data() -> Data {
    "services=50,instances=3".parse().unwrap()
}

/// The right answer to a query of type A for a service, or a wrong one.
fn answer(query: &[u8], wrong: bool) -> Vec<u8> {
    let data = data();
    let end = 12 + query[12..].iter().position(|octet| *octet == 0).unwrap() + 5;
    let service: u32 = std::str::from_utf8(&query[21..27]).unwrap().parse().unwrap();
    let mut response = query[..end].to_vec();
    response[2] = 0x84;
    (response[7], response[11]) = (3, 0);
    for instance in 0..3 {
        let (service, instance, ttl) = if wrong { (service + 1, 0, 9) } else { (service, instance, 10) };
        response.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, ttl, 0, 4]);
        response.extend(data.v4(service, instance).octets());
    }
    response
}

fn udp(manners: Manners) -> Responder {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    socket2::SockRef::from(&socket).set_recv_buffer_size(4 << 20).unwrap();
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let responder =
        Responder { address: socket.local_addr().unwrap(), stop: Arc::clone(&stop), answered: Arc::clone(&answered) };
    thread::spawn(move || {
        let (mut query, mut number, mut begun, mut stalled) = ([0; 512], 0_u64, None, false);
        while !stop.load(Ordering::Relaxed) {
            let Ok((length, peer)) = socket.recv_from(&mut query) else { continue };
            let begun: Instant = *begun.get_or_insert_with(Instant::now);
            if !stalled && !manners.stall.is_zero() && begun.elapsed() > Duration::from_secs(1) {
                stalled = true;
                sleep(manners.stall);
            }
            number += 1;
            if manners.drop_each > 0 && number.is_multiple_of(manners.drop_each) {
                continue;
            }
            let wrong = manners.wrong_each > 0 && number.is_multiple_of(manners.wrong_each);
            let response = answer(&query[..length], wrong);
            for _ in 0..1 + u8::from(manners.twice) {
                let _ = socket.send_to(&response, peer);
            }
            answered.fetch_add(1, Ordering::Relaxed);
        }
    });
    responder
}

/// Answers over TCP, each connection in a thread of its own.
fn tcp() -> Responder {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let responder = Responder { address: listener.local_addr().unwrap(), stop, answered: Arc::clone(&answered) };
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, answered) = (stream.unwrap(), Arc::clone(&answered));
            thread::spawn(move || {
                let mut length = [0; 2];
                while stream.read_exact(&mut length).is_ok() {
                    let mut query = vec![0; u16::from_be_bytes(length).into()];
                    stream.read_exact(&mut query).unwrap();
                    let response = answer(&query, false);
                    let mut framed = (response.len() as u16).to_be_bytes().to_vec();
                    framed.extend(response);
                    if stream.write_all(&framed).is_err() {
                        return;
                    }
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    responder
}

fn plan(server: SocketAddr, pace: Pace, transport: Transport, seconds: u64) -> Plan {
    let questions = Questions::of_data(&data(), &Mix::default(), Popularity::Uniform, 1, true);
    Plan {
        server,
        transport,
        paces: vec![pace],
        duration: Duration::from_secs(seconds),
        sockets: 16,
        threads: 2,
        cores: Vec::new(),
        timeout: Duration::from_millis(600),
        questions: Arc::new(questions),
        check: true,
        offload: true,
        label: String::new(),
        said: (data().to_string(), "a=1".into()),
        churn: None,
        stop: Arc::default(),
        progress: false,
    }
}

fn only(report: Report) -> Step {
    let [step] = report.steps.try_into().unwrap();
    step
}

fn ask(responder: &Responder, rate: f64, seconds: u64) -> Step {
    only(run(&plan(responder.address, Pace::Open { rate }, Transport::Udp, seconds)).unwrap())
}

#[test]
fn a_rate_is_kept_and_right_answers_are_right() {
    let responder = udp(Manners::default());
    let step = ask(&responder, 2000.0, 2);
    assert_eq!((step.sent, step.unsent, step.lost, step.unexpected), (4000, 0, 0, 0), "{step:?}");
    assert_eq!((step.answered, step.checks.checked, step.latency.count), (4000, 4000, 4000));
    assert_eq!(step.rcodes.get("NOERROR"), Some(&4000));
    let wrong = (step.checks.wrong_record, step.checks.wrong_ttl, step.checks.duplicate, step.checks.malformed);
    assert_eq!(wrong, (0, 0, 0, 0), "{:?}", step.checks);
    assert_eq!(step.timeline.iter().map(|second| second.sent).sum::<u64>(), 4000);
    assert_eq!(responder.answered.load(Ordering::Relaxed), 4000);
}

#[test]
fn what_is_dropped_is_lost_and_what_comes_twice_is_unexpected() {
    let step = ask(&udp(Manners { drop_each: 10, ..Manners::default() }), 1000.0, 1);
    assert_eq!((step.sent, step.lost, step.answered), (1000, 100, 900), "{step:?}");
    let step = ask(&udp(Manners { twice: true, ..Manners::default() }), 1000.0, 1);
    assert_eq!((step.answered, step.lost), (1000, 0), "{step:?}");
    // The last ones may come when nobody listens any more.
    assert!((900..=1000).contains(&step.unexpected), "{}", step.unexpected);
}

#[test]
fn wrong_answers_are_found_with_examples() {
    let step = ask(&udp(Manners { wrong_each: 4, ..Manners::default() }), 1000.0, 1);
    assert_eq!(step.checks.wrong_ttl, 250, "{:?}", step.checks);
    assert_eq!(step.checks.wrong_record, 250);
    assert_eq!(step.checks.wrong_count, 0);
    assert!((1..=8).contains(&step.checks.examples.len()));
    assert!(step.checks.examples[0].contains("load.test. A"), "{}", step.checks.examples[0]);
}

#[test]
fn a_stall_shows_in_every_query_that_was_due_in_it() {
    let step = ask(&udp(Manners { stall: Duration::from_millis(400), ..Manners::default() }), 300.0, 3);
    assert_eq!(step.lost, 0, "{step:?}");
    // 120 of 900 queries were due while it stalled: a tenth of all waited 100 ms at least.
    assert!(step.latency.p90 > 50_000_000, "{:?}", step.latency.p90);
    assert!(step.latency.p99 > 300_000_000, "{:?}", step.latency.p99);
    assert!(step.latency.p50 < 100_000_000, "{:?}", step.latency.p50);
}

#[test]
fn a_closed_loop_has_no_more_under_way_than_it_may() {
    let responder = udp(Manners::default());
    let step = only(run(&plan(responder.address, Pace::Closed { outstanding: 10 }, Transport::Udp, 1)).unwrap());
    assert_eq!((step.outstanding, step.lost, step.sent - step.answered), (Some(10), 0, 0), "{step:?}");
    assert!(step.sent > 500, "{}", step.sent);
    // Nobody answers: ten are lost each time that the timeout is over.
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let step = only(run(&plan(address, Pace::Closed { outstanding: 10 }, Transport::Udp, 1)).unwrap());
    assert_eq!((step.sent, step.lost, step.answered), (20, 20, 0), "{step:?}");
}

#[test]
fn one_lost_query_does_not_slow_a_closed_loop_down() {
    // Each of its ids is used many times a second.
    let responder = udp(Manners { drop_each: 5000, ..Manners::default() });
    let closed = |sockets| {
        let pace = Pace::Closed { outstanding: 200 };
        let plan = Plan { sockets, threads: 1, ..plan(responder.address, pace, Transport::Udp, 3) };
        only(run(&plan).unwrap())
    };
    let step = closed(1);
    assert!(step.lost > 0 && step.sent > 30_000, "{} of {}", step.lost, step.sent);
    // What is lost in one timeout takes a share of what may be under way, and no more.
    let rates: Vec<u64> = step.timeline.iter().take(3).map(|second| second.sent).collect();
    let (least, most) = (rates.iter().min().unwrap(), rates.iter().max().unwrap());
    assert!(most < &(least * 3), "{rates:?}");
}

#[test]
fn tcp_connections_stay_or_serve_one_query_each() {
    let responder = tcp();
    for (transport, rate) in [(Transport::Tcp, 2000.0), (Transport::TcpConnect, 300.0)] {
        let step = only(run(&plan(responder.address, Pace::Open { rate }, transport, 1)).unwrap());
        let sent = rate as u64;
        assert_eq!((step.sent, step.answered, step.lost, step.unsent), (sent, sent, 0, 0), "{step:?}");
        assert_eq!(step.checks.checked, sent);
        assert_eq!((step.checks.wrong_record, step.checks.malformed), (0, 0));
    }
}

#[test]
fn a_run_can_be_ended_early() {
    let responder = udp(Manners::default());
    let plan = plan(responder.address, Pace::Open { rate: 500.0 }, Transport::Udp, 3600);
    let stop = Arc::clone(&plan.stop);
    thread::spawn(move || {
        sleep(Duration::from_millis(500));
        stop.store(true, Ordering::Relaxed);
    });
    let step = only(run(&plan).unwrap());
    assert!((100..1000).contains(&step.sent), "{}", step.sent);
    assert!(step.seconds < 10.0, "{}", step.seconds);
    assert_eq!(step.sent, step.answered);
}

#[test]
fn what_was_due_after_the_end_of_a_run_is_not_unsent() {
    // Nobody answers: the run goes on for the timeout after it was ended.
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    for transport in [Transport::Udp, Transport::Tcp, Transport::TcpConnect] {
        let listener = (transport != Transport::Udp).then(|| TcpListener::bind("127.0.0.1:0").unwrap());
        let address = listener.as_ref().map_or(address, |listener| listener.local_addr().unwrap());
        let pace = Pace::Open { rate: 100.0 };
        let plan = Plan { sockets: 60, ..plan(address, pace, transport, 3600) };
        let stop = Arc::clone(&plan.stop);
        thread::spawn(move || {
            sleep(Duration::from_millis(400));
            stop.store(true, Ordering::Relaxed);
        });
        let step = only(run(&plan).unwrap());
        // Sixty were due while it waited.
        assert!(step.unsent < 20, "{transport:?}: {} of {}", step.unsent, step.sent);
        assert!(step.sent >= 10 && step.lost == step.sent, "{} {}", step.sent, step.lost);
    }
}
