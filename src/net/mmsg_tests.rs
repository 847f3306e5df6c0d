//! Exercises every unsafe block of `mmsg.rs`; small enough to run under valgrind.

use super::*;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::time::Duration;

/// A socket that does not wait for ever.
fn socket(address: &str) -> UdpSocket {
    let socket = UdpSocket::bind(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket
}

/// Receives until the client's `count` messages are there, answers them by appending `!`, and sends.
fn serve<const WIDTH: usize>(batch: &mut Batch<WIDTH>, server: &UdpSocket, count: usize) {
    let mut seen = 0;
    while seen < count {
        seen += batch.receive(server.as_fd()).unwrap();
        batch.answer_each(|slot, received, _| {
            slot[received] = b'!';
            received + 1
        });
        assert_eq!(batch.send(server.as_fd()), 0);
    }
}

/// What the client receives next.
fn next(client: &UdpSocket) -> String {
    let mut buffer = [0; SLOT];
    let received = client.recv(&mut buffer).unwrap();
    String::from_utf8(buffer[..received].to_vec()).unwrap()
}

#[test]
fn more_messages_than_a_batch_holds() {
    let server = socket("127.0.0.1:0");
    let client = socket("127.0.0.1:0");
    client.connect(server.local_addr().unwrap()).unwrap();
    let mut batch = Batch::<4>::new(false);
    for round in 0..3 {
        for message in 0..11 {
            client.send(format!("{round}/{message}").as_bytes()).unwrap();
        }
        serve(&mut batch, &server, 11);
        for message in 0..11 {
            assert_eq!(next(&client), format!("{round}/{message}!"));
        }
    }
}

#[test]
fn each_peer_receives_its_own_response_and_silence_is_skipped() {
    let server = socket("127.0.0.1:0");
    let clients: Vec<_> = (0..6).map(|_| socket("127.0.0.1:0")).collect();
    let mut batch = Batch::<8>::new(false);
    for round in 0..4 {
        for (index, client) in clients.iter().enumerate() {
            client.send_to(format!("{round}/{index}").as_bytes(), server.local_addr().unwrap()).unwrap();
        }
        assert_eq!(batch.receive(server.as_fd()).unwrap(), 6);
        let mut turn = 0;
        let answered = batch.answer_each(|slot, received, _| {
            turn += 1;
            slot[received] = b'!';
            if (turn + round) % 2 == 0 { received + 1 } else { 0 }
        });
        assert_eq!(answered, Answered { responses: 3, oversized: 0 });
        assert_eq!(batch.send(server.as_fd()), 0);
        for (index, client) in clients.iter().enumerate() {
            if (index + 1 + round) % 2 == 0 {
                assert_eq!(next(client), format!("{round}/{index}!"));
            } else {
                client.set_nonblocking(true).unwrap();
                assert!(client.recv(&mut [0; 8]).is_err(), "no response was meant for this client");
                client.set_nonblocking(false).unwrap();
            }
        }
    }
}

#[test]
fn a_full_slot_and_one_octet_more() {
    let server = socket("127.0.0.1:0");
    let client = socket("127.0.0.1:0");
    client.connect(server.local_addr().unwrap()).unwrap();
    let mut batch: Batch = Batch::new(false);
    for length in [SLOT + 1, SLOT, 0] {
        client.send(&vec![7; length]).unwrap();
    }
    assert_eq!(batch.receive(server.as_fd()).unwrap(), 3);
    let mut lengths = Vec::new();
    let answered = batch.answer_each(|slot, received, _| {
        assert!(slot[..received].iter().all(|&octet| octet == 7));
        lengths.push(received);
        slot.len()
    });
    assert_eq!(lengths, [SLOT, 0]);
    assert_eq!(answered, Answered { responses: 2, oversized: 1 });
    assert_eq!(batch.send(server.as_fd()), 0);
    assert_eq!(client.recv(&mut [0; SLOT + 1]).unwrap(), SLOT);
    assert_eq!(client.recv(&mut [0; SLOT + 1]).unwrap(), SLOT);
}

#[test]
fn a_message_that_cannot_be_sent_costs_itself_only() {
    let server = socket("127.0.0.1:0");
    let client = socket("127.0.0.1:0");
    client.connect(server.local_addr().unwrap()).unwrap();
    for bad in [vec![], vec![0], vec![1, 2], vec![4], vec![0, 1, 2, 3, 4]] {
        let mut batch = Batch::<8>::new(false);
        for message in 0..5 {
            client.send(&[b'0' + message]).unwrap();
        }
        assert_eq!(batch.receive(server.as_fd()).unwrap(), 5);
        batch.answer_each(|_, received, _| received);
        for &index in &bad {
            let name = batch.header(index).msg_hdr.msg_name.cast::<Name>();
            // SAFETY: the name of a header of live memory, to which no reference exists.
            unsafe { (*name).v4.sin_port = 0 };
        }
        assert_eq!(batch.send(server.as_fd()), bad.len());
        for message in 0..5 {
            if !bad.contains(&message) {
                assert_eq!(next(&client), message.to_string());
            }
        }
    }
}

#[test]
fn an_idle_timeout_is_no_error() {
    let server = socket("127.0.0.1:0");
    server.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    let mut batch = Batch::<2>::new(false);
    assert_eq!(batch.receive(server.as_fd()).unwrap(), 0);
    assert_eq!(batch.answer_each(|_, _, _| unreachable!()).responses, 0);
    assert_eq!(batch.send(server.as_fd()), 0);
}

#[test]
fn a_panic_while_answering_leaves_the_batch_usable() {
    let server = socket("127.0.0.1:0");
    let client = socket("127.0.0.1:0");
    client.connect(server.local_addr().unwrap()).unwrap();
    let mut batch = Batch::<4>::new(false);
    client.send(b"one").unwrap();
    client.send(b"two").unwrap();
    assert_eq!(batch.receive(server.as_fd()).unwrap(), 2);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let mut turn = 0;
        batch.answer_each(|_, _, _| {
            turn += 1;
            if turn == 2 { std::panic::resume_unwind(Box::new("part of the test")) } else { 0 }
        })
    }));
    assert!(panicked.is_err());
    client.send(b"three").unwrap();
    serve(&mut batch, &server, 1);
    assert_eq!(next(&client), "three!");
}

#[test]
fn a_wildcard_socket_answers_from_the_address_that_was_asked() {
    let server = socket("0.0.0.0:0");
    enable_packet_info(server.as_fd(), false).unwrap();
    let mut batch = Batch::<4>::new(true);
    let port = server.local_addr().unwrap().port();
    for asked in [Ipv4Addr::new(127, 0, 0, 2), Ipv4Addr::new(127, 1, 2, 3), Ipv4Addr::LOCALHOST] {
        let client = socket("0.0.0.0:0");
        client.send_to(b"who", (asked, port)).unwrap();
        serve(&mut batch, &server, 1);
        let (_, from) = client.recv_from(&mut [0; 8]).unwrap();
        assert_eq!(from, SocketAddr::from((asked, port)));
    }
}

#[test]
fn so_does_a_dual_stack_one() {
    let Ok(server) = UdpSocket::bind("[::]:0") else {
        eprintln!("skipped: no IPv6 here");
        return;
    };
    server.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    enable_packet_info(server.as_fd(), true).unwrap();
    let mut batch = Batch::<4>::new(true);
    let port = server.local_addr().unwrap().port();
    for (local, asked) in [("[::]:0", "::1"), ("0.0.0.0:0", "127.0.0.2")] {
        let asked = SocketAddr::new(asked.parse().unwrap(), port);
        let client = socket(local);
        if client.send_to(b"who", asked).is_err() {
            eprintln!("skipped: {asked} is not reachable here");
            continue;
        }
        serve(&mut batch, &server, 1);
        let (_, from) = client.recv_from(&mut [0; 8]).unwrap();
        assert_eq!(from, asked);
    }
}

#[test]
fn missing_packet_info_leaves_the_choice_to_the_kernel() {
    let server = socket("0.0.0.0:0");
    let mut batch = Batch::<4>::new(true);
    let client = socket("127.0.0.1:0");
    client.send_to(b"who", (Ipv4Addr::LOCALHOST, server.local_addr().unwrap().port())).unwrap();
    serve(&mut batch, &server, 1);
    assert_eq!(next(&client), "who!");
}

#[test]
fn the_kernel_tells_its_drops() {
    let server = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap();
    server.set_recv_buffer_size(0).unwrap();
    server.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    let server = UdpSocket::from(server);
    assert_eq!(kernel_drops(server.as_fd()).unwrap(), 0);
    let client = socket("127.0.0.1:0");
    for _ in 0..64 {
        client.send_to(&[0; 1024], server.local_addr().unwrap()).unwrap();
    }
    assert!(kernel_drops(server.as_fd()).unwrap() > 0);
}

#[test]
fn an_option_the_socket_cannot_have_is_an_error() {
    let server = socket("127.0.0.1:0");
    assert!(enable_packet_info(server.as_fd(), true).is_err());
    let file = std::fs::File::open("/dev/null").unwrap();
    assert!(kernel_drops(file.as_fd()).is_err());
    assert!(Batch::<1>::new(false).receive(file.as_fd()).is_err());
}

#[test]
fn the_peer_is_told_in_either_family() {
    for (address, expected) in [("127.0.0.1:0", "127.0.0.1"), ("[::1]:0", "::1"), ("[::]:0", "::ffff:127.0.0.1")] {
        let Ok(server) = UdpSocket::bind(address) else {
            eprintln!("skipped: no IPv6 here");
            continue;
        };
        server.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let expected: IpAddr = expected.parse().unwrap();
        let client = socket(if expected == expected.to_canonical() { address } else { "127.0.0.1:0" });
        let server_address = SocketAddr::new(expected.to_canonical(), server.local_addr().unwrap().port());
        if client.send_to(b"?", server_address).is_err() {
            continue;
        }
        let mut batch = Batch::<2>::new(false);
        assert_eq!(batch.receive(server.as_fd()).unwrap(), 1, "{address}");
        let mut peer = None;
        batch.answer_each(|_, _, from| {
            peer = Some(from.address());
            0
        });
        assert_eq!(peer, Some(expected));
    }
}
