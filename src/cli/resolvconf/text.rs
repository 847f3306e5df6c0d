//! A resolv.conf as text, before and after Fingerpost is its first nameserver: resolv.conf(5), as glibc reads it.

use std::net::IpAddr;

/// Nameservers that glibc asks; further ones are read over (`MAXNS`).
const NAMESERVERS_MOST: usize = 3;

/// How the line begins by which we know a file of ours.
const MARK: &str = "# Fingerpost is the first nameserver";

/// Options for a quick way from a server that is gone to the next one, where the file does not set them: glibc would
/// wait for 5 seconds.
const QUICK: [(&str, &str); 2] = [("timeout:", "1"), ("attempts:", "2")];

/// What a resolv.conf shall say.
pub(super) struct Wish {
    /// The nameserver to put first.
    pub(super) nameserver: IpAddr,
    /// Domains to search before those of the file, each without a dot at its end.
    pub(super) search: Vec<String>,
    /// Dots from which on a name is tried as it is before the search domains.
    pub(super) ndots: Option<u8>,
    /// Whether the file's other nameservers stay behind ours.
    pub(super) fallback: bool,
    /// What the first line says about the file before.
    pub(super) backup: String,
}

/// A resolv.conf with ours in front.
pub(super) struct Taken {
    /// Its text. Taking it over once more changes nothing.
    pub(super) text: String,
    /// What users should know: why it may not work as they expect.
    pub(super) warnings: Vec<String>,
}

/// Whether a text has been taken over.
pub(super) fn is_ours(text: &str) -> bool {
    text.starts_with(MARK)
}

/// Puts our nameserver first. Other lines stay in their order; those for `search` and `options` become one each.
pub(super) fn take_over(text: &str, wish: &Wish) -> Taken {
    let mut warnings = Vec::new();
    let ours = wish.nameserver.to_string();
    let mut former = Vec::new();
    let mut search = Vec::new();
    let mut options: Vec<String> = Vec::new();
    let mut lines = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with(MARK)) {
        // A keyword begins its line; `domain` and `search` replace what was before them.
        let mut words = line.split_whitespace();
        match words.next().filter(|_| !line.starts_with([' ', '\t'])) {
            Some("nameserver") => former.extend(words.next().filter(|word| !is_same(word, wish.nameserver))),
            Some("domain") => search = words.take(1).collect(),
            Some("search") => search = words.collect(),
            Some("options") => options.extend(words.map(str::to_owned)),
            _ => lines.push(line.to_owned()),
        }
    }
    if !wish.fallback {
        former.clear();
    }
    for unheard in former.iter().skip(NAMESERVERS_MOST - 1) {
        warnings.push(format!(
            "nameserver {unheard} will not be asked: glibc reads {NAMESERVERS_MOST}, and {ours} is one of them now"
        ));
    }
    if options.iter().any(|option| option == "rotate") && !former.is_empty() {
        warnings.push(
            "\"options rotate\" asks every nameserver in turn: the others do not know our names; take it out".into(),
        );
    }

    let mut taken = vec![format!("{MARK}; before it was: {}", wish.backup), format!("nameserver {ours}")];
    taken.extend(former.iter().map(|address| format!("nameserver {address}")));
    let mut domains: Vec<&str> = wish.search.iter().map(String::as_str).collect();
    domains.extend(search.iter().filter(|domain| !wish.search.iter().any(|ours| is_same_name(ours, domain))));
    if !domains.is_empty() {
        taken.push(format!("search {}", domains.join(" ")));
    }
    if let Some(wanted) = wish.ndots.map(|ndots| format!("ndots:{ndots}")) {
        options.retain(|option| !option.starts_with("ndots:") || *option == wanted);
        if !options.contains(&wanted) {
            options.push(wanted);
        }
    }
    for (name, value) in QUICK {
        if !options.iter().any(|option| option.starts_with(name)) {
            options.push(format!("{name}{value}"));
        }
    }
    taken.push(format!("options {}", options.join(" ")));
    taken.append(&mut lines);
    Taken { text: taken.join("\n") + "\n", warnings }
}

/// Whether the word of a `nameserver` line means `address`.
fn is_same(word: &str, address: IpAddr) -> bool {
    word.parse() == Ok(address)
}

/// Whether two domains are one, with or without a dot at the end.
fn is_same_name(one: &str, other: &str) -> bool {
    one.trim_end_matches('.').eq_ignore_ascii_case(other.trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish() -> Wish {
        Wish {
            nameserver: IpAddr::from([127, 0, 0, 1]),
            search: Vec::new(),
            ndots: None,
            fallback: true,
            backup: "/b".into(),
        }
    }

    /// The lines behind the first, which is the mark.
    fn lines(taken: &Taken) -> Vec<&str> {
        assert!(is_ours(&taken.text) && taken.text.ends_with('\n'));
        taken.text.lines().skip(1).collect()
    }

    #[test]
    fn ours_comes_first_and_the_others_stay() {
        let before = "# by DHCP\nnameserver 10.0.0.2\n; old\nsearch a.example b.example\nsortlist 10.0.0.0\n";
        let taken = take_over(before, &wish());
        let expected = [
            "nameserver 127.0.0.1",
            "nameserver 10.0.0.2",
            "search a.example b.example",
            "options timeout:1 attempts:2",
            "# by DHCP",
            "; old",
            "sortlist 10.0.0.0",
        ];
        assert_eq!(lines(&taken), expected);
        assert_eq!(taken.warnings, [""; 0]);
    }

    #[test]
    fn taking_over_again_changes_nothing() {
        let wish = Wish { search: vec!["production.local".into()], ndots: Some(2), ..wish() };
        for before in [
            "",
            "nameserver 127.0.0.1\n",
            "nameserver 10.0.0.2\nnameserver 127.0.0.1\nnameserver 10.0.0.3\nnameserver 10.0.0.4",
            "domain a\nsearch b production.local.\noptions edns0 ndots:5\noptions timeout:3 trust-ad\r\n",
            "  nameserver 10.0.0.9\nnameserver\nunknown\n\n",
        ] {
            let once = take_over(before, &wish);
            let twice = take_over(&once.text, &wish);
            assert_eq!((&twice.text, &twice.warnings), (&once.text, &once.warnings), "{before:?}");
            assert!(!is_ours(before));
            assert_eq!(once.text.matches("nameserver 127.0.0.1\n").count(), 1, "{}", once.text);
        }
    }

    #[test]
    fn search_domains_and_options_are_joined() {
        let wish = Wish { search: vec!["production.local".into(), "b".into()], ndots: Some(2), ..wish() };
        let taken = take_over("domain a\nsearch B. c\noptions edns0 ndots:5\noptions timeout:3\n", &wish);
        let expected =
            ["nameserver 127.0.0.1", "search production.local b c", "options edns0 timeout:3 ndots:2 attempts:2"];
        assert_eq!(lines(&taken), expected);
    }

    #[test]
    fn warns_of_what_will_not_be_asked_and_of_rotation() {
        let before = "nameserver 10.0.0.2\nnameserver 10.0.0.3\nnameserver fe80::1%eth0\noptions rotate\n";
        let taken = take_over(before, &wish());
        assert!(taken.text.contains("nameserver fe80::1%eth0\n"), "it stays in the file");
        assert!(matches!(&*taken.warnings, [third, rotate] if third.contains("fe80::1%eth0 will not be asked")
            && rotate.contains("rotate")));
        let alone = take_over(before, &Wish { fallback: false, ..wish() });
        assert_eq!(alone.text.matches("\nnameserver ").count(), 1);
        assert!(alone.warnings.is_empty());
    }

    #[test]
    fn addresses_are_compared_as_addresses() {
        let wish = Wish { nameserver: "2001:db8::1".parse().unwrap(), ..wish() };
        let taken = take_over("nameserver 2001:0db8:0::1\n", &wish);
        assert_eq!(lines(&taken), ["nameserver 2001:db8::1", "options timeout:1 attempts:2"]);
    }
}
