//! Terraform: "real binary and real AWS provider where installed: private namespace + service with A/MULTIVALUE/TTL
//! 10/custom health check + service with SRV + an instance: `apply`, `plan -detailed-exitcode` = no changes, an update
//! of TTL and description, `import`, `destroy`. Also the HTTP namespace and the data sources."
//!
//! What it applies is `examples/terraform`.

use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Server, have_tool};
use crate::{client, dig, file, launch, url};

/// Folders in which the provider may be, beside those of `TF_PLUGIN_DIR` and under the home folder.
const PLUGIN_FOLDERS: [&str; 4] = ["/opt", "/usr/local/share/terraform", "/usr/share/terraform", "/usr/lib/terraform"];
/// A plugin folder has them at `registry.terraform.io/hashicorp/aws/VERSION/PLATFORM`.
const PROVIDER: &str = "registry.terraform.io/hashicorp/aws";

/// The folder for `init -plugin-dir`, if the provider is on this machine: no registry is asked for it.
fn plugins() -> Option<PathBuf> {
    let home = env::var_os("HOME").map(PathBuf::from);
    let of_home = home.iter().flat_map(|home| [home.join(".terraform.d"), home.join(".local/share/terraform")]);
    let given = env::var_os("TF_PLUGIN_DIR").map(PathBuf::from);
    let roots: Vec<PathBuf> =
        given.into_iter().chain(of_home).chain(PLUGIN_FOLDERS.iter().map(PathBuf::from)).collect();
    let below = roots.iter().flat_map(|root| fs::read_dir(root).into_iter().flatten().flatten());
    let mut all = roots.iter().cloned().chain(below.map(|entry| entry.path()));
    all.find(|folder| folder.join(PROVIDER).is_dir())
}

/// Terraform in a folder of its own, with a server.
struct Terraform<'a> {
    server: &'a Server,
    folder: TempDir,
}

impl Terraform<'_> {
    /// Runs one of its commands in a folder below the test's own.
    fn output(&self, folder: &str, arguments: &[&str]) -> Output {
        let mut command: Command = client("terraform", self.server);
        // What the provider's configuration says has to be enough.
        command.env_remove("AWS_ENDPOINT_URL_SERVICEDISCOVERY").env_remove("AWS_ACCESS_KEY_ID");
        command.env_remove("AWS_SECRET_ACCESS_KEY").env_remove("AWS_DEFAULT_REGION");
        command
            .current_dir(self.folder.path().join(folder))
            .env("TF_CLI_CONFIG_FILE", "/dev/null")
            .env("TF_DATA_DIR", self.folder.path().join("data"))
            .env("TF_VAR_endpoint", url(self.server))
            .env("CHECKPOINT_DISABLE", "1")
            // The provider's schema is most of a run; with less garbage collection it takes two thirds of the time.
            .env("GOGC", "400")
            .args(arguments)
            .output()
            .unwrap()
    }

    /// Runs one of its commands, which ends with this code; returns what it prints.
    #[track_caller]
    fn ends(&self, code: i32, folder: &str, arguments: &[&str]) -> String {
        let output = self.output(folder, arguments);
        let [said, printed] = [&output.stderr, &output.stdout].map(|octets| String::from_utf8_lossy(octets));
        assert_eq!(output.status.code(), Some(code), "{arguments:?}:\n{printed}\n{said}");
        printed.into_owned()
    }

    /// Applies what a folder says.
    #[track_caller]
    fn apply(&self, folder: &str, arguments: &[&str]) -> String {
        self.ends(0, folder, &[&["apply", "-auto-approve", "-input=false", "-no-color"], arguments].concat())
    }

    /// Expects that there is nothing to change: the code says so.
    #[track_caller]
    fn is_settled(&self, arguments: &[&str]) {
        self.ends(0, "main", &[&["plan", "-detailed-exitcode", "-input=false", "-no-color"], arguments].concat());
    }

    /// An output of a folder.
    #[track_caller]
    fn value(&self, folder: &str, name: &str) -> Value {
        serde_json::from_str(&self.ends(0, folder, &["output", "-json", name])).unwrap()
    }
}

/// Copies the configuration, not what people may have left beside it.
fn copy(from: &str, to: &Path) {
    fs::create_dir(to).unwrap();
    fs::copy(file(from).join("main.tf"), to.join("main.tf")).unwrap();
}

/// The life of the example: apply, no changes, update, no changes, import, no changes, data sources, destroy.
#[test]
fn the_example_is_applied_updated_imported_and_destroyed() {
    let (Some(plugins), true) = (plugins(), is_there("terraform")) else {
        // Not a failure even where all tools are required: no package registry has these two.
        let _ = writeln!(io::stderr(), "skipped: terraform, or a folder with its AWS provider, is not installed");
        return;
    };
    if !have_tool("dig") {
        return;
    }
    let server = launch().start();
    let terraform = Terraform { server: &server, folder: tempfile::tempdir().unwrap() };
    copy("examples/terraform", &terraform.folder.path().join("main"));
    copy("examples/terraform/lookup", &terraform.folder.path().join("lookup"));

    let plugins = format!("-plugin-dir={}", plugins.display());
    terraform.ends(0, "main", &["init", "-input=false", &plugins]);
    let said = terraform.apply("main", &[]);
    assert!(said.contains("Resources: 7 added, 0 changed, 0 destroyed"), "{said}");
    terraform.is_settled(&[]);
    assert_eq!(dig(&server, "grpc.production.local", "SRV"), ["10 1 1 50051 grpc-1.grpc.production.local."]);

    let update = ["-var=ttl=3", "-var=description=Services of production, and more"];
    let said = terraform.apply("main", &update);
    assert!(said.contains("Resources: 0 added, 3 changed, 0 destroyed"), "{said}");
    terraform.is_settled(&update);
    assert_eq!(dig(&server, "grpc.production.local", "SRV"), ["3 1 1 50051 grpc-1.grpc.production.local."]);
    assert_eq!(dig(&server, "grpc.production.local", "A"), ["3 10.0.2.21"]);

    // Two more people look at it at the same time: neither changes anything.
    let ids = terraform.value("main", "ids");
    thread::scope(|scope| {
        scope.spawn(|| look_up(&terraform, &ids));
        import(&terraform, &ids, &update);
    });

    let said = terraform.ends(0, "main", &[&["destroy", "-auto-approve", "-no-color"], &update[..]].concat());
    assert!(said.contains("Resources: 7 destroyed"), "{said}");
    assert!(dig(&server, "production.local", "SOA").is_empty(), "nothing is left");
    let metrics = server.metrics();
    assert_eq!(metrics.family("fingerpost_api_errors_total"), [].into(), "no request failed");
}

/// Whether a program is there, without a word about it.
fn is_there(name: &str) -> bool {
    env::split_paths(&env::var_os("PATH").unwrap_or_default()).any(|folder| folder.join(name).is_file())
}

/// Imports everything into an empty state, without a change to anything.
fn import(terraform: &Terraform<'_>, ids: &Value, variables: &[&str]) {
    let blocks = terraform.folder.path().join("main/imports.tf");
    fs::write(&blocks, imports(ids)).unwrap();
    let arguments = [&["-state=imported.tfstate"], variables].concat();
    let said = terraform.apply("main", &arguments);
    assert!(said.contains("Resources: 7 imported, 0 added, 0 changed, 0 destroyed"), "{said}");
    fs::remove_file(blocks).unwrap();
    terraform.is_settled(&arguments);
}

/// The data sources find the same by their names.
fn look_up(terraform: &Terraform<'_>, ids: &Value) {
    let lock = |folder: &str| terraform.folder.path().join(folder).join(".terraform.lock.hcl");
    fs::copy(lock("main"), lock("lookup")).unwrap();
    terraform.apply("lookup", &[]);
    let found = terraform.value("lookup", "found");
    assert_eq!((&found["namespace"], &found["service"]), (&ids["private_dns_namespace"], &ids["api"]), "{found}");
    assert!(found["hosted_zone"].as_str().unwrap().starts_with('Z'), "{found}");
    let rest = ["team", "http_name", "ttl", "policy"].map(|key| &found[key]);
    assert_eq!(rest, [&json!("platform"), &json!("apis"), &json!(3), &json!("MULTIVALUE")]);
}

/// `import` blocks for all resources of the example.
fn imports(ids: &Value) -> String {
    let id = |name: &str| ids[name].as_str().unwrap().to_owned();
    let all = [
        ("private_dns_namespace.production", format!("{}:vpc-0abc123def456789", id("private_dns_namespace"))),
        ("http_namespace.apis", id("http_namespace")),
        ("service.api", id("api")),
        ("service.grpc", id("grpc")),
        ("service.queue", id("queue")),
        ("instance.grpc", format!("{}/grpc-1", id("grpc"))),
        ("instance.queue", format!("{}/orders", id("queue"))),
    ];
    let block = |(to, id): (&str, String)| format!("import {{\n  to = aws_service_discovery_{to}\n  id = {id:?}\n}}\n");
    all.map(block).concat()
}
