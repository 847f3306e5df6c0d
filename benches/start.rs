//! Starts and memory at one million instances, as `cargo bench --bench start [SERVICES] [RUNS] [a] [short]`: a server
//! with its store, closed in order and killed, and one that follows it, from its primary and from its state file.
//!
//! The real program. Each of 125,000 services has eight instances with the attributes that ECS sets, A and SRV records
//! (with `a`: A records alone), and so a name for each instance. Ids are as long as those of tasks; with `short`, as short
//! as those of `fingerpost load`. `FINGERPOST_PROGRAM` names another build to be measured.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use fingerpost::model::RecordType;
use million::{INSTANCES, Server, fill_with, instance_id};

#[allow(dead_code, reason = "each benchmark uses some of it")]
mod million;

/// After this, the allocator has given back what a start needed and nobody uses any more.
const SETTLE: Duration = Duration::from_secs(13);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut numbers = arguments.iter().filter_map(|argument| argument.parse::<u32>().ok());
    let services = numbers.next().unwrap_or(125_000);
    let runs = numbers.next().unwrap_or(3);
    let has = |word: &str| arguments.iter().any(|argument| argument == word);
    let types = if has("a") { &[RecordType::A][..] } else { &[RecordType::A, RecordType::Srv] };
    let folder = tempfile::tempdir().expect("a folder");
    let start = Instant::now();
    let id: fn(u32, u32) -> String = if has("short") { |_, instance| format!("i{instance}") } else { instance_id };
    fill_with(folder.path(), services, types, id);
    let of = id(services - 1, INSTANCES - 1);
    println!("{services} services of {INSTANCES} instances such as {of} with {types:?}: {:.1?}", start.elapsed());

    let last = services - 1;
    let begin = |title: &str, run: u32, start: &dyn Fn() -> Server| {
        let begun = Instant::now();
        let server = start();
        let ready = begun.elapsed();
        server.wait_for_answer(last);
        println!("{title} {run}: ready after {ready:.2?}, first right answer after {:.2?}", begun.elapsed());
        server
    };
    for run in 1..=runs {
        let server = begin("server", run, &|| Server::start(folder.path(), "grpc"));
        if run == runs {
            report("server", &server);
        }
        // The last one is killed: the next start reads what the journal has.
        if run % 2 == 1 { server.stop() } else { drop(server) }
    }
    let primary = Server::start(folder.path(), "grpc");
    primary.wait_for_answer(last);
    let followed = tempfile::tempdir().expect("a folder");
    for run in 1..=runs {
        let own = followed.path().join(run.to_string());
        let follower = begin("follower, from the primary", run, &|| Server::follow(&own, primary.channel));
        if run == runs {
            report("follower, from the primary", &follower);
        }
        follower.stop();
    }
    let own = followed.path().join("1");
    for run in 1..=runs {
        let follower = begin("follower, from its file", run, &|| Server::follow(&own, primary.channel));
        if run == runs {
            report("follower, from its file", &follower);
        }
        follower.stop();
    }
    report("primary, with a follower gone", &primary);
    let size = |folder: &Path| {
        let files = std::fs::read_dir(folder).expect("a folder").map_while(Result::ok);
        files.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum::<u64>() / 1_000_000
    };
    println!("state file: {} MB", size(&own));
}

/// Prints what is held, at once and when the allocator has given back what is free.
fn report(title: &str, server: &Server) {
    let print = |when: &str| {
        println!(
            "{title}, {when}: {} MB resident, {} MB proportional, {} MB anonymous; {} MB at most",
            server.memory("smaps_rollup", "Rss:"),
            server.memory("smaps_rollup", "Pss:"),
            server.memory("smaps_rollup", "Anonymous:"),
            server.resident("VmHWM")
        );
    };
    print("at once");
    sleep(SETTLE);
    print("later");
}
