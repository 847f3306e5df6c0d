//! Zone files as text in, records or faults out.

use std::path::Path;

use proptest::prelude::*;

use super::lex::Line;
use super::{Limits, fields, rdata, read};

/// One thread and one block.
fn whole() -> Limits {
    Limits { threads: 1, ..Limits::default() }
}

/// The records of a zone file `example.zone`, as `owner TTL type octets`, without its SOA record in front.
fn records(text: &str) -> Vec<String> {
    let (apex, records) = match read(Path::new("example.zone"), zone(text).as_bytes(), whole()) {
        Ok(read) => read,
        Err(faults) => panic!("{faults:#?}"),
    };
    assert_eq!(apex.to_string(), "example.");
    let shown = records.iter().skip(1).map(|record| {
        let owner = crate::wire::Name::from_lower(record.owner);
        let rdata: String = record.rdata.iter().map(|octet| format!("{octet:02x}")).collect();
        format!("{owner} {} {} {rdata}", record.ttl, record.rtype)
    });
    shown.collect()
}

/// A file with a SOA record in its first line.
fn zone(text: &str) -> String {
    format!("example. 9 SOA ns mail 1 2 3 4 5\n{text}")
}

/// The faults of a file whose second line `text` begins.
fn faults(text: &str) -> Vec<String> {
    shown_faults(&zone(text))
}

/// The faults of a file.
fn shown_faults(text: &str) -> Vec<String> {
    match read(Path::new("example.zone"), text.as_bytes(), whole()) {
        Ok((_, records)) => panic!("no fault in {text}: {records:?}"),
        Err(faults) => faults.iter().map(ToString::to_string).collect(),
    }
}

/// The data of one record.
fn data(rtype: &str, text: &str) -> Result<String, String> {
    let mut out = Vec::new();
    let rtype = rdata::rtype(rtype.as_bytes()).map_err(|bad| bad.message)?;
    rdata::write_all(rtype, text.as_bytes(), b"\x01o\x00", &mut out)
        .map_err(|bad| format!("{}: {}", bad.at, bad.message))?;
    Ok(out.iter().map(|octet| format!("{octet:02x}")).collect())
}

//----------- Entries ----------------------------------------------------------------------------------------

#[test]
fn owners_ttls_and_classes_may_be_left_out() {
    let text =
        "a 5 IN A 192.0.2.1\n IN 6 A 192.0.2.2\n\n   A 192.0.2.3 ; c\n\tin a 192.0.2.4\n@ CLASS1 TYPE1 192.0.2.5\n";
    assert_eq!(
        records(text),
        [
            "a.example. 5 1 c0000201",
            "a.example. 6 1 c0000202",
            "a.example. 6 1 c0000203",
            "a.example. 6 1 c0000204",
            "example. 6 1 c0000205"
        ]
    );
}

#[test]
fn names_are_relative_to_the_origin() {
    let text = "$ORIGIN Sub\n@ NS Ns\n$ORIGIN deep\nB.c. NS .\nX NS @\n$origin example.\nd NS E.";
    assert_eq!(
        records(text),
        [
            "sub.example. 9 2 024e730373756207".to_owned() + "6578616d706c6500",
            "b.c. 9 2 00".to_owned(),
            "x.deep.sub.example. 9 2 0464656570".to_owned() + "03737562076578616d706c6500",
            "d.example. 9 2 014500".to_owned(),
        ]
    );
}

#[test]
fn the_ttl_comes_from_several_places() {
    // RFC 1035 §5.1: the TTL given last; RFC 2308 §4: that of $TTL, once it was there.
    assert_eq!(records("a 7 NS .\nb NS .\n$TTL 1h\nc NS .\nd 8 NS .\ne NS .\n$TTL 2\nf NS .").len(), 6);
    let ttls: Vec<_> = records("a 7 NS .\nb NS .\n$TTL 1h\nc NS .\nd 8 NS .\ne NS .\n$TTL 2\nf NS .")
        .iter()
        .map(|record| record.split(' ').nth(1).unwrap().to_owned())
        .collect();
    assert_eq!(ttls, ["7", "7", "3600", "8", "3600", "2"]);
    let (_, found) =
        read(Path::new("example.zone"), b"@ SOA ns m 1 2 3 4 5m\nb NS .\nc 3 NS .\nd NS .", whole()).unwrap();
    assert_eq!(found.iter().map(|record| record.ttl).collect::<Vec<_>>(), [300, 300, 3, 3]);
    let text = "a NS .\nexample. 9 SOA ns mail 1 2 3 4 5\n";
    assert_eq!(
        shown_faults(text),
        ["example.zone:1:3: no TTL is known; allowed is one here, in a record before, or by $TTL"]
    );
}

#[test]
fn the_zone_is_that_of_its_soa_record() {
    let (apex, records) =
        read(Path::new("x.zone"), b"$ORIGIN Other.\n@ 1 SOA ns m (1 ; a\n 2 3\n 4 5) \nb A 192.0.2.1", whole())
            .unwrap();
    assert_eq!((apex.to_string().as_str(), records.len()), ("other.", 2));
    assert_eq!(records.iter().map(|record| record.place.line).collect::<Vec<_>>(), [2, 5]);
    assert_eq!(
        shown_faults("$TTL 1\na A 192.0.2.1"),
        ["example.zone: no SOA record; allowed is one, at the zone's apex"]
    );
    assert_eq!(
        faults("b SOA a b 1 2 3 4 5"),
        ["example.zone:2: a second SOA record, the first is on line 1; allowed is one in a zone"]
    );
    assert_eq!(shown_faults(""), ["example.zone: no SOA record; allowed is one, at the zone's apex"]);
    let found = read(Path::new("a..b.zone"), zone("").as_bytes(), whole()).unwrap_err();
    assert!(found[0].to_string().starts_with("a..b.zone: the file's name without .zone is no origin: a label"));
}

#[test]
fn faults_have_places_and_do_not_end_the_reading() {
    let text = "a 1x A 192.0.2.1\nb A 192.0.2.256\nc CH A 192.0.2.1\nd A 192.0.2.1 x\ne\n$FOO\n ä A 1\nf MX 1 a..b\n\
                g TXT (\"ä\"\n \"x\\300\")\nh MX 70000 a\n$TTL\n$ORIGIN a b\ni ANY x\nj A";
    assert_eq!(
        faults(text),
        [
            "2:3: 1x is not a TTL; allowed are 0 to 2147483647 seconds, or numbers with units as in 1w2d3h4m5s",
            "3:5: 192.0.2.256 is not an IPv4 address; allowed are four numbers as in 192.0.2.1",
            "4:3: CH is not a class of this server; allowed are IN",
            "5:15: this stands behind the last field of the record",
            "6:2: the type of the record is missing",
            "7:1: $FOO is not a directive; allowed are $ORIGIN, $TTL, $INCLUDE and $GENERATE; a name that begins with $ is written \\$",
            "8:2: \"ä\" is not a record type; allowed are the types' names and TYPE with a number",
            "9:10: a label of the name is empty; allowed are 1 to 63 octets",
            "11:4: \\300 is not an octet; allowed are \\000 to \\255",
            "12:6: 70000 is not a number of this field; allowed are 0 to 65535",
            "13:5: the value of the directive is missing",
            "14:11: this stands behind the value of the directive",
            "15:3: ANY is not a type of records in a zone; allowed are types of data",
            "16:4: the record ends too early; more fields belong here",
        ]
        .map(|fault| format!("example.zone:{fault}"))
    );
    assert_eq!(shown_faults(" A 192.0.2.1")[0], {
        "example.zone:1:1: no record before gives an owner; allowed is a name in the first column"
    });
    assert_eq!(faults("a A ( 192.0.2.1\nb A 1\n"), ["example.zone:2:5: the parenthesis is not closed"]);
    assert_eq!(faults("a TXT \"x\nb A 1\n"), ["example.zone:2:7: the quote is not closed"]);
}

#[test]
fn a_file_keeps_a_thousand_faults() {
    let found = faults(&"a A x\n".repeat(1234));
    assert_eq!(found.len(), 1001);
    assert_eq!(found[1000], "example.zone:1001: and 234 faults more");
}

//----------- Data -------------------------------------------------------------------------------------------

#[test]
fn types_have_their_text() {
    for (rtype, text, wire) in [
        ("A", "192.0.2.1", "c0000201"),
        ("AAAA", "2001:db8::1", "20010db8000000000000000000000001"),
        ("CNAME", "A.b.", "01410162 00"),
        ("DNAME", "@", "016f00"),
        ("MX", "10 a", "000a 0161016f00"),
        ("SRV", "1 2 3 .", "0001 0002 0003 00"),
        ("TXT", "a \"b c\" \\065\"\"", "0161 03622063 0141 00"),
        ("SOA", "a. b. 1 1m 1h 1d 1w", "0161000162000000000100000 03c00000e1000015180 00093a80"),
        (
            "NAPTR",
            "1 2 \"u\" \"E2U+sip\" \"!^.*$!sip:a@b!\" .",
            "00010002 0175 074532552b736970 0e215e2e2a24217369703a61406221 00",
        ),
        ("CAA", "0 issue \"ca.test\"", "00 056973737565 63612e74657374"),
        ("TLSA", "3 1 1 AB CD", "030101abcd"),
        ("SSHFP", "1 2 abcd", "0102abcd"),
        ("DS", "1 8 2 abcd", "00010802abcd"),
        ("HINFO", "a \"b\"", "01610162"),
        ("RP", "a. b.", "01610001 6200"),
        ("NSEC", "a. A TYPE1234", "016100 000140 041b000000000000000000000000000000000000000000000000000020"),
        ("SVCB", "1 . port=53 alpn=\"h2,h3\"", "0001 00 0001000602683202 6833 000300020035"),
        ("HTTPS", "0 svc", "0000 03737663016f00"),
        ("HTTPS", "0 @", "0000 016f00"),
        ("NSEC", "@", "016f00"),
        ("NAPTR", "1 2 @ \"\" \"\" @", "00010002 0140 00 00 016f00"),
        ("OPENPGPKEY", "AQID", "010203"),
        ("URI", "1 2 \"ftp://a/\"", "00010002 6674703a2f2f612f"),
        ("AFSDB", "1 a.", "0001016100"),
        ("SPF", "\"v=spf1\"", "06763d73706631"),
        ("L32", "10 192.0.2.1", "000ac0000201"),
        ("L64", "10 2001:db8:1:0", "000a20010db800010000"),
        ("EUI48", "00-00-5e-00-53-2a", "00005e00532a"),
        ("CERT", "PGP 0 0 AQID", "0003000000010203"),
        ("ISDN", "a", "0161"),
        ("DHCID", "AQ ID", "010203"),
        ("SMIMEA", "3 1 1 ab", "030101ab"),
        ("TYPE65280", "\\# 3 01 0203", "010203"),
        ("TYPE65280", "\\# 0", ""),
        ("A", "\\# 4 c0000201", "c0000201"),
        ("LOC", "\\# 1 00", "00"),
        ("NS", "\\# 3 016100", "016100"),
        ("TXT", "\"ü\"", "02c3bc"),
        ("CAA", "0 issue \"ü\"", "00 056973737565 c3bc"),
    ] {
        assert_eq!(data(rtype, text).as_deref(), Ok(&*wire.replace(' ', "")), "{rtype} {text}");
    }
}

#[test]
fn data_that_is_none_is_a_fault() {
    for (rtype, text, fault) in [
        ("A", "", "0: the record ends too early"),
        ("A", "\\# 3 c00002", "0: these octets are not data of type A"),
        ("NS", "\\# 2 c000", "0: these octets are not data of type NS"),
        ("CAA", "\\# 1 00", "0: these octets are not data of type CAA"),
        ("RP", "\\# 3 00c000", "0: these octets are not data of type RP"),
        ("TYPE65280", "\\# 3 0102", "3: the length is 3, and the data has 2 octets"),
        ("TYPE65280", "\\# 1 0g", "6: this is not a hexadecimal digit"),
        ("TYPE65280", "\\# 1 012", "5: the number of hexadecimal digits is odd"),
        ("TYPE65280", "\\#", "2: the length of the data belongs here"),
        ("TYPE65280", "x", "0: the data of type TYPE65280 can stand here in one form only"),
        ("LOC", "1", "0: the data of type LOC can stand here in one form only"),
        ("CAA", "0 issue", "7: this is not data of type CAA"),
        ("CAA", "256 issue x", "0: this is not data of type CAA"),
        ("DS", "1 8 2 abcx", "6: this is not data of type DS"),
        ("NAPTR", "1 2 u v w a..b", "12: a label of the name is empty"),
        ("HTTPS", "0 a..", "0: these octets are not data of type HTTPS"),
        ("URI", "1 2 a b", "6: this stands behind the last field"),
        ("MX", "1 a\nb", "4: the data goes on in a second line"),
        ("TXT", "(a", "0: the parenthesis is not closed"),
    ] {
        let found = data(rtype, text);
        assert!(found.as_ref().is_err_and(|found| found.starts_with(fault)), "{rtype} {text}: {found:?}");
    }
    let long = format!("\"{}\"", "a".repeat(256));
    assert!(data("TXT", &long).is_err_and(|fault| fault.starts_with("1: the string has 256 octets")));
    let huge = vec![format!("\"{}\"", "a".repeat(255)); 256].join(" ");
    assert!(data("TXT", &huge).is_err_and(|fault| fault.contains("the data has 65536 octets")));
}

/// Text of one of the types that are parsed here and by the `domain` crate, and the type.
fn common() -> impl Strategy<Value = (u16, String)> {
    let name = "(@|\\.|([a-zA-Z0-9*_-]|\\\\[.\"a(]|\\\\0[0-9][0-9]){1,12}(\\.[a-z]{1,63}){0,3}\\.?)";
    let word = "([a-z0-9\\[{]|\\\\[0-2][0-4][0-9]|\\\\;){1,20}|\"([ -!#-\\[\\]-~]|\\\\\"){0,30}\"";
    let number = any::<u16>();
    prop_oneof![
        any::<[u8; 4]>().prop_map(|[a, b, c, d]| (1, format!("{a}.{b}.{c}.{d}"))),
        any::<[u16; 8]>().prop_map(|groups| (28, std::net::Ipv6Addr::from(groups).to_string())),
        (prop::sample::select(vec![2u16, 5, 12, 39]), name),
        (number, name).prop_map(|(number, name)| (15, format!("{number} {name}"))),
        (number, number, number, name).prop_map(|(a, b, c, name)| (33, format!("{a} {b} {c} {name}"))),
        (name, name, any::<[i32; 5]>()).prop_map(|(a, b, numbers)| {
            let numbers = numbers.map(|number| number.unsigned_abs().min(i32::MAX as u32).to_string());
            (6, format!("{a} {b} {}", numbers.join(" ")))
        }),
        prop::collection::vec(word, 1..5).prop_map(|words| (16, words.join(" "))),
        "[ -~]{0,40}".prop_map(|text| (16, text)),
        (prop::sample::select(vec![1u16, 2, 15, 33]), "[ -~]{0,40}"),
    ]
}

proptest! {
    #[test]
    fn the_fields_are_those_of_the_domain_crate((rtype, text) in common()) {
        let mut line = Line::default();
        line.read(text.as_bytes(), 0);
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        let layout = fields::layout(rtype).unwrap();
        let own = fields::write(layout, text.as_bytes(), &line.tokens, b"\x01o\x00", &mut ours);
        // It knows no @ in data, and takes \# for itself.
        let at = |token: &super::lex::Token| matches!(token.of(text.as_bytes()), b"@" | b"\\#");
        let known = line.tokens.iter().any(at) || line.trouble.is_some();
        let other = rdata::foreign(rtype, text.as_bytes(), &line.tokens, b"\x01o\x00", &mut theirs);
        if own.is_ok() && !known {
            prop_assert!(other.is_ok(), "{:?} only here", text);
            prop_assert_eq!(ours, theirs);
        } else if !known && !text.contains("..") {
            prop_assert!(other.is_err(), "{:?} only there, here {:?}", text, own);
        }
    }

    #[test]
    fn blocks_and_threads_change_nothing(
        lines in prop::collection::vec(prop::sample::select(LINES.to_vec()), 0..60),
        block in 1usize..200,
    ) {
        let text = lines.concat();
        let shown = |limits| match read(Path::new("o.zone"), text.as_bytes(), limits) {
            Ok((apex, records)) => format!("{apex} {:#?}", records.iter().collect::<Vec<_>>()),
            Err(faults) => faults.iter().map(|fault| format!("{fault}\n")).collect(),
        };
        prop_assert_eq!(shown(Limits { block, threads: 3, ..Limits::default() }), shown(whole()));
    }
}

/// Lines of all kinds, whole and broken.
const LINES: &[&str] = &[
    "$TTL 7\n",
    "$TTL x\n",
    "$ORIGIN a\n",
    "$ORIGIN b.\n",
    "$ORIGIN ..\n",
    "$FOO\n",
    "\n",
    "; c\n",
    " \n",
    "@ SOA a b 1 2 3 4 5\n",
    "@ 1 SOA a b ( 1\n2 3 ; )\n4 5)\n",
    "a A 192.0.2.1\n",
    "a 5 A 192.0.2.1\n",
    "b IN 6 A 192.0.2.1\n",
    " A 192.0.2.2\n",
    " 8 AAAA ::1\n",
    "c TXT \"x\ny\"\n",
    "c TXT \"x\n",
    "d )\n",
    "e (\n",
    "f..g A 192.0.2.1\n",
    "1x 1x A 192.0.2.1\n",
    "g CH A 192.0.2.1\n",
    "$GENERATE 1-3 g$ A 192.0.2.$\n",
    "\\$h 1 A 192.0.2.1\r\n",
    "no-line-end 1 A 192.0.2.1",
];

//----------- $GENERATE --------------------------------------------------------------------------------------

#[test]
fn generate_makes_records() {
    assert_eq!(
        records("a NS .\n$GENERATE 1-3/2 h-$ 5 IN A 192.0.2.$\n NS ."),
        ["a.example. 9 2 00", "h-1.example. 5 1 c0000201", "h-3.example. 5 1 c0000203", "a.example. 9 2 00"]
    );
    assert_eq!(
        records("$GENERATE 0-0 $ MX \"1$ m$\"\n$GENERATE 1-1 $ TXT \"$\" \"x y\"\n"),
        ["0.example. 9 15 000a026d30076578616d706c6500", "1.example. 9 16 013103782079",]
    );
    assert_eq!(records("$GENERATE 1-1 $$x A 192.0.2.1"), ["\\$x.example. 9 1 c0000201".replace('\\', "")]);
    assert_eq!(records("$GENERATE 1-65536 $ A 192.0.2.1").len(), 65_536);
}

#[test]
fn generate_has_bounds() {
    assert_eq!(
        faults("$GENERATE 0-65536 $ A 192.0.2.1"),
        ["example.zone:2:11: the range has 65537 numbers; allowed are 65536 in one directive"]
    );
    assert_eq!(
        faults("$GENERATE 250-260 $ A 192.0.2.$"),
        ["example.zone:2: 192.0.2.256 is not an IPv4 address; allowed are four numbers as in 192.0.2.1"]
    );
    assert_eq!(faults("$GENERATE 1-2 $"), ["example.zone:2: the type of the record is missing"]);
    assert_eq!(faults("$GENERATE 1-2"), ["example.zone:2:14: range, owner, type and data belong here"]);
    assert_eq!(faults("$GENERATE 1-2 $ TXT \"a\nb\""), ["example.zone:2:15: this does not generate one record"]);
    let limits = Limits { generated: 4, ..whole() };
    let text = zone("$GENERATE 1-3 $ NS .\n$GENERATE 1-3 $ NS .\n");
    let found = read(Path::new("example.zone"), text.as_bytes(), limits).unwrap_err();
    assert_eq!((found.len(), found[0].at.line), (1, 3));
}
