//! The sockets of one address: one UDP socket a worker and one TCP listener, all on the same port.
//!
//! Binding is apart from serving, so that a fault in any address is known before anything has started.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::net::sockopt::{self, Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery};
use socket2::{Domain, Protocol, Socket, Type};

use super::mmsg;

/// How long a worker waits for a datagram before it looks around: at its stop flag and for a new snapshot.
///
/// It bounds how long a stop takes and how long an idle worker keeps an old snapshot's memory; five wake-ups a
/// second cost nothing that could be measured.
pub const IDLE_TIMEOUT: Duration = Duration::from_millis(200);

/// How long a worker waits for room in the send buffer before it drops the rest of its batch.
///
/// A network that takes nothing for this long has lost these clients' patience for the first try anyway.
const SEND_TIMEOUT: Duration = Duration::from_millis(50);

/// Wanted octets of a UDP socket's buffers.
///
/// Small datagrams are charged some 800 octets each, and the kernel doubles the figure, so this holds about
/// 10,000 queries: what arrives while a worker does not run for a scheduler's time slice or two. More would only
/// keep queries that their clients have given up.
const BUFFER: usize = 4 << 20;

/// Connections that may wait to be accepted; the kernel lowers it to `net.core.somaxconn`.
const BACKLOG: i32 = 1024;

/// How often a port that the kernel picked for UDP is tried for TCP.
const PORT_TRIES: usize = 16;

/// The bound sockets of one address.
#[derive(Debug)]
pub struct Endpoint {
    /// The address with its true port.
    pub address: SocketAddr,
    /// One socket for each worker.
    pub udp: Vec<UdpSocket>,
    /// The listener, not blocking.
    pub tcp: TcpListener,
}

/// Binds `address` for `workers` UDP workers and for TCP.
///
/// Port 0 lets the kernel pick one that is free for both. IPv6 sockets take IPv6 only, so that `0.0.0.0` and `[::]`
/// can both be bound.
pub fn bind(address: SocketAddr, workers: usize) -> io::Result<Endpoint> {
    let mut tries = if address.port() == 0 { PORT_TRIES } else { 1 };
    loop {
        tries -= 1;
        let (address, udp) = bind_udp(address, workers)?;
        match bind_tcp(address) {
            Ok(tcp) => {
                return Ok(Endpoint { address, udp, tcp });
            }
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries > 0 => {}
            Err(error) => return Err(error),
        }
    }
}

/// Binds the workers' sockets; returns them with their address.
///
/// The first one is bound before it allows others on its port. With SO_REUSEPORT set from the beginning, a second
/// server of the same user would take half of the queries without either of them noticing, and so might one that
/// asked for any free port.
fn bind_udp(address: SocketAddr, workers: usize) -> io::Result<(SocketAddr, Vec<UdpSocket>)> {
    let first = udp_socket(address)?;
    first.bind(&address.into())?;
    warn_of_small_buffers(&first)?;
    let first = UdpSocket::from(first);
    let address = first.local_addr()?;
    if workers > 1 {
        sockopt::set_socket_reuseport(&first, true)?;
    }
    let mut sockets = vec![first];
    for _ in 1..workers {
        let socket = udp_socket(address)?;
        socket.set_reuse_port(true)?;
        socket.bind(&address.into())?;
        sockets.push(socket.into());
    }
    Ok((address, sockets))
}

/// A UDP socket with all options but its address.
fn udp_socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    // Anybody can forge an ICMP message that announces a tiny path MTU, and have us send fragments, into which
    // others can be slipped. OMIT sends by the interface's MTU alone; what is too long gets truncated by us.
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
        sockopt::set_ipv6_mtu_discover(&socket, Ipv6PathMtuDiscovery::OMIT)?;
    } else {
        sockopt::set_ip_mtu_discover(&socket, Ipv4PathMtuDiscovery::OMIT)?;
    }
    if address.ip().is_unspecified() {
        mmsg::enable_packet_info(socket.as_fd(), address.is_ipv6())?;
    }
    socket.set_recv_buffer_size(BUFFER)?;
    socket.set_send_buffer_size(BUFFER)?;
    socket.set_read_timeout(Some(IDLE_TIMEOUT))?;
    socket.set_write_timeout(Some(SEND_TIMEOUT))?;
    Ok(socket)
}

/// Says which sysctl to raise when the kernel gave less than [`BUFFER`].
fn warn_of_small_buffers(socket: &Socket) -> io::Result<()> {
    // The kernel reports twice what was asked for: it reckons with its own overhead.
    let buffers = [
        ("receive", "net.core.rmem_max", socket.recv_buffer_size()? / 2),
        ("send", "net.core.wmem_max", socket.send_buffer_size()? / 2),
    ];
    for (buffer, sysctl, octets) in buffers {
        if octets < BUFFER {
            tracing::warn!("the kernel gave a {buffer} buffer of {octets} octets; {sysctl}={BUFFER} would give it all");
        }
    }
    Ok(())
}

/// Binds the listener.
fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Connections of an earlier run that linger in TIME_WAIT must not keep us from starting.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_port_for_all() {
        let endpoint = bind("127.0.0.1:0".parse().unwrap(), 3).unwrap();
        assert_ne!(endpoint.address.port(), 0);
        assert_eq!(endpoint.udp.len(), 3);
        for socket in &endpoint.udp {
            assert_eq!(socket.local_addr().unwrap(), endpoint.address);
        }
        assert_eq!(endpoint.tcp.local_addr().unwrap(), endpoint.address);
    }

    #[test]
    fn the_workers_sockets_share_the_clients() {
        let endpoint = bind("127.0.0.1:0".parse().unwrap(), 2).unwrap();
        // The kernel chooses by a hash of the addresses: 64 clients all on one side are less likely than 2⁻⁶².
        let clients: Vec<_> = (0..64).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
        for client in &clients {
            client.send_to(b"hello", endpoint.address).unwrap();
        }
        for socket in &endpoint.udp {
            socket.recv_from(&mut [0; 8]).unwrap();
        }
    }

    #[test]
    fn a_second_server_is_refused() {
        for workers in [1, 2] {
            let endpoint = bind("127.0.0.1:0".parse().unwrap(), workers).unwrap();
            let error = bind(endpoint.address, workers).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        }
    }

    #[test]
    fn both_families_on_one_port() {
        let Ok(v6) = bind("[::]:0".parse().unwrap(), 1) else {
            eprintln!("skipped: no IPv6 here");
            return;
        };
        // Somebody else may hold the port on IPv4, though hardly.
        bind(SocketAddr::from(([0, 0, 0, 0], v6.address.port())), 1).unwrap();
    }
}
