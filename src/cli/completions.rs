//! `fingerpost completions`: what shells need to complete our arguments.

use std::io::{self, Write};

use clap::{Args, Command};
use clap_complete::Shell;

/// `fingerpost completions …`
#[derive(Args)]
pub(crate) struct Completions {
    /// For which shell
    shell: Shell,
}

pub(crate) const EXAMPLES: &str = "\
Examples:
  fingerpost completions bash > /etc/bash_completion.d/fingerpost
  fingerpost completions zsh > \"${fpath[1]}/_fingerpost\"
  fingerpost completions fish > ~/.config/fish/completions/fingerpost.fish";

impl Completions {
    /// Prints the script for `command`.
    pub(crate) fn run(self, mut command: Command) -> anyhow::Result<()> {
        // In memory first: the generator has no errors, and a closed pipe would be one.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, "fingerpost", &mut script);
        Ok(io::stdout().write_all(&script)?)
    }
}
