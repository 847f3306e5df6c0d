//! The words of the report that do not depend on figures.

/// What it is.
pub(super) const HEAD: &str = "\
# Fingerpost beside other DNS servers

Written by `cargo bench --bench peers`; [raw.json](raw.json) has every run. Each server has one worker on one core, and \
the load generator, `fingerpost load`, has the other core of the same machine. Everybody serves the same names, and \
unless a table says otherwise everybody is asked for the A records of a random one of 10,000 services with 8 \
instances: 8 addresses, without EDNS.

**CPU time for a query is the figure to compare.** The generator shares the machine, and over loopback it does part of \
the kernel's work; with two cores, responses a second often say what the generator can do. Where a server was on its core \
for less than 95 % of the time (`busy`), its rate is a lower bound, and a billion divided by its CPU time is nearer to \
what its core can do.

";

/// Targets that another benchmark measures.
pub(super) const ELSEWHERE: &str = "
Not measured here: two workers; the instructions of the packet path alone (`cargo bench --bench instructions`).

";

/// How it is measured.
pub(super) const HOW: &str = "\
## How it is measured

* Each server is configured as its vendor recommends for speed with one worker: minimal responses, no log, no limits \
of rates, no cookies, the same socket buffers where they can be set (gdnsd allows 1 MiB, the others have 4 MiB; Knot \
and PowerDNS and hickory-dns choose their own). PowerDNS is shown with its caches, which hold every name of this data, and without. \
What is off for the others is off for ours: no API, no gRPC channel, no store. Versions are those of Debian 12 and not \
the newest; hickory-dns is the newest crate. None uses AF_XDP, and nobody uses UDP segmentation offload.
* Ours, gdnsd, BIND and PowerDNS give the addresses of an answer in a random order, Unbound, Knot and NSD rotate them, and \
hickory-dns gives them as they are.
* All servers run at once; those that are not being asked are stopped by SIGSTOP. They are asked in turns, once in each \
repeat, and tables show the median of the repeats, with the smallest and the largest where there is room.
* CPU time is that of all threads of all processes of a server (`/proc/PID/task/TID/schedstat`, exact), divided by the \
answers. The kernel tells user time from its own by samples, 250 a second on this machine; user time is therefore \
computed from all repeats together, and shown with one standard deviation.
* *Saturated* is a closed loop with 200 queries under way from 64 sockets, *fixed* an open loop at one rate for all. \
A server that cannot keep the rate loses queries, which the tables show; its CPU time for an answer then includes what \
it did for nothing.
* Latencies are counted from when a query was due, not from when it was sent. With so few cores the generator's own \
delays are in them: `lag` is how late it sent.
* Loopback and veth are two ways to the same socket: the servers live in a network namespace of their own, and are \
reached from within it, or through a veth pair from another one. Over both, the kernel's work for receiving is done on \
the core of whoever sends. A network card behaves differently.
* Instructions are those of the whole program in user mode, counted by callgrind between two moments while queries are asked \
with 32 under way, all start-up excluded.
* Memory is the proportional set size of all processes half a second after the first right answer. Load time is from \
the start of the program to that answer, its files being in the page cache. Zones have A and SRV records at each service, and an A \
record at each instance's name.
* Changes add an A record at a new name. One by one: the next when the one before is acknowledged. NSD, gdnsd, PowerDNS \
with this backend and hickory-dns without its database take none but by files and transfers.

";
