//! "Python (`socket.getaddrinfo`) and Node (axios to `http://api.production.local:8080`) clients reach three real HTTP
//! servers that were registered through the API (in a network namespace), each of the three gets traffic, and a
//! deregistered one gets none after the TTL."

use crate::netns::Netns;
use crate::support::{have_module, have_tool, skip};
use crate::{file, launch, url};

/// The sentence above, with all it names in one network namespace.
#[test]
fn clients_reach_the_servers_that_are_registered() {
    let tools = ["python3", "node"].into_iter().all(have_tool) && have_module("boto3");
    let Some(netns) = tools.then(Netns::new).flatten() else { return };
    let server = netns.start(launch());
    let script = file("tests/api/python/reach.py");
    let words = ["PYTHONDONTWRITEBYTECODE=1", "python3", script.to_str().unwrap(), &url(&server)];
    let through = netns.run("env", words);
    if through.trim() != "axios" {
        skip(&format!("axios is not installed (NODE_PATH); {} asked in its place", through.trim()));
    }
}
