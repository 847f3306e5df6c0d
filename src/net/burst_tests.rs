//! Bursts through real sockets.

use super::*;
use std::net::UdpSocket;
use std::os::fd::AsFd;

/// Two connected sockets.
fn pair() -> (UdpSocket, UdpSocket) {
    let (one, other) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    one.connect(other.local_addr().unwrap()).unwrap();
    other.connect(one.local_addr().unwrap()).unwrap();
    other.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    (one, other)
}

/// Datagrams of these lengths, each of octets that tell which one it is.
fn datagrams(lengths: &[usize]) -> Vec<Vec<u8>> {
    lengths.iter().enumerate().map(|(index, &length)| vec![index as u8; length]).collect()
}

fn push(burst: &mut Outgoing, datagram: &[u8]) {
    burst.push(|space| {
        space[..datagram.len()].copy_from_slice(datagram);
        datagram.len()
    });
}

#[test]
fn datagrams_of_all_lengths_arrive_as_they_were_with_segments_and_without() {
    let mixes: [&[usize]; 6] =
        [&[1400; BURST], &[40; BURST], &[40, 40, 39, 40, 41, 41, 40], &[1], &[12, 1200, 1200, 12], &[DATAGRAM, 5, 5]];
    for (offload, gathered) in [(true, true), (true, false), (false, true), (false, false)] {
        let (one, other) = pair();
        if gathered {
            gather(other.as_fd()).unwrap();
        }
        let mut burst = Outgoing::new(offload);
        let mut incoming = Incoming::new(gathered);
        for lengths in mixes {
            let wanted = datagrams(lengths);
            wanted.iter().for_each(|datagram| push(&mut burst, datagram));
            assert_eq!(burst.len(), wanted.len());
            assert_eq!(burst.send(one.as_fd()), Sent { count: wanted.len(), is_full: false, errors: 0 });
            assert!(burst.is_empty());
            let mut got: Vec<Vec<u8>> = Vec::new();
            while got.len() < wanted.len() {
                other.peek(&mut [0]).unwrap();
                incoming.receive(other.as_fd()).unwrap();
                got.extend(incoming.datagrams().map(<[u8]>::to_vec));
            }
            assert_eq!(got, wanted, "{offload} {gathered}");
        }
        assert_eq!(burst.is_offloading(), offload);
    }
}

#[test]
fn no_more_than_a_burst_is_taken_and_nothing_to_receive_is_no_error() {
    let (one, other) = pair();
    let mut burst = Outgoing::new(true);
    for _ in 0..BURST + 3 {
        push(&mut burst, b"query");
    }
    assert_eq!(burst.send(one.as_fd()).count, BURST);
    let mut incoming = Incoming::new(false);
    other.peek(&mut [0]).unwrap();
    assert_eq!(incoming.receive(other.as_fd()).unwrap(), BURST);
    assert_eq!(incoming.receive(other.as_fd()).unwrap(), 0);
    assert_eq!(incoming.datagrams().count(), 0);
}

#[test]
fn what_was_cut_by_the_kernel_is_received_as_one_message() {
    let (one, other) = pair();
    gather(other.as_fd()).unwrap();
    cut(one.as_fd(), 100).unwrap();
    let wanted = datagrams(&[100; 40]);
    let mut octets = wanted.concat();
    octets.extend([0xff; 30]);
    one.send(&octets).unwrap();
    other.peek(&mut [0]).unwrap();
    let mut incoming = Incoming::new(true);
    assert_eq!(incoming.receive(other.as_fd()).unwrap(), 1);
    let got: Vec<&[u8]> = incoming.datagrams().collect();
    assert_eq!((got[..40].concat(), got[40..].to_vec()), (wanted.concat(), vec![&[0xff; 30][..]]));
    // The next one is by itself, and its length its own.
    one.send(&[1; 90]).unwrap();
    one.send(&[]).unwrap();
    other.peek(&mut [0]).unwrap();
    assert_eq!(incoming.receive(other.as_fd()).unwrap(), 2);
    assert_eq!(incoming.datagrams().collect::<Vec<_>>(), [&[1; 90][..], &[]]);
}

#[test]
fn a_port_where_nobody_listens_is_counted_and_does_not_end_the_burst() {
    let (one, other) = pair();
    drop(other);
    let mut burst = Outgoing::new(false);
    let mut errors = 0;
    for _ in 0..4 {
        datagrams(&[20; 8]).iter().for_each(|datagram| push(&mut burst, datagram));
        let sent = burst.send(one.as_fd());
        assert_eq!(sent.count, 8);
        errors += sent.errors;
    }
    assert!(errors > 0);
}

#[test]
fn a_thread_knows_its_own_time() {
    let begun = std::time::Instant::now();
    let (user, system) = thread_times().unwrap();
    while begun.elapsed() < Duration::from_millis(30) {}
    let (later_user, later_system) = thread_times().unwrap();
    let ran = (later_user + later_system).checked_sub(user + system).unwrap();
    assert!(ran > Duration::ZERO && ran < Duration::from_secs(5), "{ran:?}");
}
