//! Signals: a graceful stop that owes nobody an answer, and a reload of the configuration.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hickory_proto::rr::RecordType;
use rustix::process::Signal;

use crate::support::{Launch, PATIENCE, Tcp, Udp, eventually, example, frame, query};

//----------- SIGTERM and SIGINT -----------------------------------------------

/// A stop in the eyes of clients.
#[derive(Default)]
struct Stop {
    /// It is about to begin: a query sent from now on may get no response.
    begins: AtomicBool,
    /// The server has ended: there is nothing left to wait for.
    over: AtomicBool,
}

/// Asks over UDP until the server is gone. Returns how many queries were answered: all but one sent during the stop.
fn ask_until_gone(server: SocketAddr, stop: &Stop) -> usize {
    let client = Udp::connect(server);
    client.set_patience(Duration::from_millis(50));
    for answered in 0.. {
        let query = query("api.production.local.", RecordType::A);
        let begun = Instant::now();
        let mut response = client.try_ask(&query);
        while response.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
            && !stop.over.load(Ordering::SeqCst)
        {
            assert!(begun.elapsed() < PATIENCE, "no response after {answered}");
            response = client.read(&query);
        }
        match response {
            Ok(response) => assert_eq!(response.answers.len(), 3),
            Err(error) => {
                assert!(stop.begins.load(Ordering::SeqCst), "after {answered} responses: {error}");
                return answered;
            }
        }
    }
    unreachable!("the range has no end")
}

#[test]
fn a_stop_answers_what_has_arrived() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut server = Launch::serve(&example()).start();
        let address = server.address();
        let stop = Arc::<Stop>::default();
        let clients: Vec<_> = (0..3)
            .map(|_| {
                let stop = Arc::clone(&stop);
                thread::spawn(move || ask_until_gone(address, &stop))
            })
            .collect();
        // Connections that the server has taken, with queries that it has not read yet.
        let mut connections: Vec<_> = (0..8).map(|_| Tcp::connect(address)).collect();
        for connection in &mut connections {
            connection.ask(&query("api.production.local.", RecordType::A));
        }
        thread::sleep(Duration::from_millis(50));
        let queries: Vec<_> = (0..50).map(|_| query("grpc-api.production.local.", RecordType::SRV)).collect();
        let octets: Vec<u8> = queries.iter().flat_map(frame).collect();
        for connection in &mut connections {
            connection.send(&octets).unwrap();
        }
        stop.begins.store(true, Ordering::SeqCst);
        server.signal(signal);

        for connection in &mut connections {
            assert!(connection.responses(&queries).iter().all(|response| response.answers.len() == 2));
            connection.expect_end();
        }
        assert_eq!(server.wait().code(), Some(0));
        stop.over.store(true, Ordering::SeqCst);
        for client in clients {
            assert!(client.join().unwrap() > 0);
        }
        assert!(server.log().last().unwrap().ends_with("stopped"));
    }
}

#[test]
fn a_stop_answers_the_datagrams_that_have_arrived() {
    let mut server = Launch::serve(&example()).start();
    let clients: Vec<_> = (0..8).map(|_| Udp::connect(server.address())).collect();
    let octets = query("api.production.local.", RecordType::A).to_vec().unwrap();
    for _ in 0..50 {
        clients.iter().for_each(|client| client.send(&octets));
    }
    server.signal(Signal::TERM);
    for client in &clients {
        for nth in 0..50 {
            client.receive().unwrap_or_else(|error| panic!("response {nth}: {error}"));
        }
    }
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn probes_learn_of_a_stop_while_it_goes_on() {
    let mut server = Launch::serve(&example()).start();
    // A client that does not read keeps the stop waiting for a while.
    let mut stuck = Tcp::connect(server.address());
    let many: Vec<u8> = (0..500).flat_map(|_| frame(&query("api.production.local.", RecordType::A))).collect();
    let mut at = 0;
    eventually("the connection takes no more", || {
        let sent = stuck.send_some(&many[at..]);
        at = (at + sent) % many.len();
        // Nothing may go out for as long as it takes to be sure that the server does not read.
        sent == 0 && {
            thread::sleep(Duration::from_millis(100));
            let sent = stuck.send_some(&many[at..]);
            at = (at + sent) % many.len();
            sent == 0
        }
    });
    assert_eq!(server.get("/readyz").0, 200);
    server.signal(Signal::TERM);
    eventually("/readyz is 503", || server.try_get("/readyz").expect("it ended before it said so").0 == 503);
    assert_eq!(server.wait().code(), Some(0));
    assert!(server.try_get("/livez").is_none());
}

#[test]
fn a_stop_closes_idle_connections_and_half_queries() {
    let mut server = Launch::serve(&example()).start();
    let mut idle = Tcp::connect(server.address());
    idle.ask(&query("api.production.local.", RecordType::A));
    let mut half = Tcp::connect(server.address());
    half.ask(&query("api.production.local.", RecordType::A));
    half.send(&frame(&query("api.production.local.", RecordType::A))[..20]).unwrap();
    server.signal(Signal::TERM);
    idle.expect_end();
    half.expect_end();
    assert_eq!(server.wait().code(), Some(0));
    let refused = std::net::TcpStream::connect(server.address()).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
}

//----------- SIGHUP -----------------------------------------------------------

#[test]
fn a_hang_up_reads_the_configuration_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("fingerpost.toml");
    let good = format!("version = 1\ndeclare = [{:?}]\n", example());
    fs::write(&file, &good).unwrap();
    let server = Launch::serve_nothing().flag("--config", &file).start();
    let client = Udp::connect(server.address());
    let hang_up = |text: &str, says: &str| {
        fs::write(&file, text).unwrap();
        server.signal(Signal::HUP);
        eventually(says, || server.logged(says) == 1);
        assert_eq!(client.ask(&query("api.production.local.", RecordType::A)).answers.len(), 3);
        assert_eq!(server.get("/readyz").0, 200);
    };
    hang_up(&good, "reload: the configuration is unchanged");
    let changed = format!("{good}tcp-idle-timeout = 3\nnsid = \"ns1\"\n");
    hang_up(&changed, "reload: changed options take effect at the next start: nsid, tcp-idle-timeout");
    let faulty = format!("{good}tcp-idle-timeout = 0\n");
    let place = format!("reload: {}:3:20: tcp-idle-timeout: 0 is not in the range", file.display());
    hang_up(&faulty, &place);
}
