//! The types of option values: each is valid once it exists, whichever of flag, variable or file it came from.
//!
//! A flag or variable arrives through [`FromStr`], a key of the file through [`serde::Deserialize`]; both lead
//! to the same check and the same words.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use clap::ValueEnum;
use serde::Deserialize;
use tracing_subscriber::EnvFilter;

use crate::model::{Network, NetworkFault};
use crate::wire::Name;

//----------- Bounded ----------------------------------------------------------

/// A whole number from `MIN` to `MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "i64")]
pub struct Bounded<const MIN: u32, const MAX: u32>(u32);

impl<const MIN: u32, const MAX: u32> Bounded<MIN, MAX> {
    /// The number.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl<const MIN: u32, const MAX: u32> TryFrom<i64> for Bounded<MIN, MAX> {
    type Error = String;

    fn try_from(number: i64) -> Result<Self, String> {
        u32::try_from(number)
            .ok()
            .filter(|number| (MIN..=MAX).contains(number))
            .map(Self)
            .ok_or_else(|| format!("{number} is not in the range {MIN} to {MAX}"))
    }
}

impl<const MIN: u32, const MAX: u32> FromStr for Bounded<MIN, MAX> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse::<i64>() {
            Ok(number) => number.try_into(),
            Err(_) => Err(format!("not a whole number from {MIN} to {MAX}")),
        }
    }
}

//----------- ServerName -------------------------------------------------------

/// A domain name as it stands in NS records.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ServerName(pub Name);

impl FromStr for ServerName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match Name::parse(text) {
            Ok(name) if name.as_wire() != [0] => Ok(Self(name)),
            Ok(_) => Err("not a name of a server, such as ns1.example.com".to_owned()),
            Err(fault) => Err(format!("not a domain name: {fault}")),
        }
    }
}

impl TryFrom<String> for ServerName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

//----------- Domain -----------------------------------------------------------

/// A domain below the root.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Domain(pub Name);

impl FromStr for Domain {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match Name::parse(text) {
            Ok(name) if name.as_wire() != [0] => Ok(Self(name)),
            Ok(_) => Err("not a domain, such as production.local".to_owned()),
            Err(fault) => Err(format!("not a domain name: {fault}")),
        }
    }
}

impl TryFrom<String> for Domain {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.to_string().trim_end_matches('.'))
    }
}

//----------- ClientNetwork ----------------------------------------------------

/// A network whose clients may do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ClientNetwork(pub Network);

impl FromStr for ClientNetwork {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Self).map_err(|fault: NetworkFault| fault.to_string())
    }
}

impl TryFrom<String> for ClientNetwork {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

//----------- Address ----------------------------------------------------------

/// An IP address and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Address(pub SocketAddr);

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Self).map_err(|_| format!("\"{text}\" is not ADDR:PORT, such as 127.0.0.1:5300 or [::1]:5300"))
    }
}

impl TryFrom<String> for Address {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

//----------- Switch -----------------------------------------------------------

/// An address, or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Switch(pub Option<SocketAddr>);

impl FromStr for Switch {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" | "none" => Ok(Self(None)),
            _ => match text.parse::<Address>() {
                Ok(Address(address)) => Ok(Self(Some(address))),
                Err(reason) => Err(format!("{reason}, nor off")),
            },
        }
    }
}

impl TryFrom<String> for Switch {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for Switch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(address) => write!(f, "{address}"),
            None => f.write_str("off"),
        }
    }
}

//----------- Region, AccountId ------------------------------------------------

/// A region's name as it stands in ARNs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Region(Box<str>);

impl From<Region> for Box<str> {
    fn from(region: Region) -> Self {
        region.0
    }
}

impl FromStr for Region {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_region = |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'-';
        match text.len() {
            1..=64 if text.bytes().all(is_region) => Ok(Self(text.into())),
            _ => Err(format!("{text:?} is not a region, such as us-east-1: 1 to 64 of a-z, 0-9 and -")),
        }
    }
}

impl TryFrom<String> for Region {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// An account's number as it stands in ARNs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct AccountId(Box<str>);

impl From<AccountId> for Box<str> {
    fn from(account: AccountId) -> Self {
        account.0
    }
}

impl FromStr for AccountId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.len() {
            12 if text.bytes().all(|octet| octet.is_ascii_digit()) => Ok(Self(text.into())),
            _ => Err(format!("{text:?} is not an account id, such as 123456789012: 12 digits")),
        }
    }
}

impl TryFrom<String> for AccountId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

//----------- Text -------------------------------------------------------------

/// Text that has to fit beside a question in the smallest DNS message.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Text(Box<str>);

/// Longest [`Text`] in octets. A character-string could hold 255, but a response of 512 octets also carries a
/// question of up to 259 and an OPT record; beside those this still fits.
pub const MAX_TEXT: usize = 128;

impl From<Text> for Box<str> {
    fn from(text: Text) -> Self {
        text.0
    }
}

impl FromStr for Text {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.len() {
            1..=MAX_TEXT => Ok(Self(text.into())),
            length => Err(format!("the text has {length} octets; 1 to {MAX_TEXT} are allowed")),
        }
    }
}

impl TryFrom<String> for Text {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

//----------- LogFilter --------------------------------------------------------

/// Which events are logged, in the syntax of `tracing`'s environment filter.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct LogFilter(Box<str>);

impl LogFilter {
    /// The filter's text, known to parse.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for LogFilter {
    fn default() -> Self {
        Self("info".into())
    }
}

impl FromStr for LogFilter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match EnvFilter::try_new(text) {
            Ok(_) if !text.trim().is_empty() => Ok(Self(text.into())),
            _ => Err(format!("\"{text}\" is not a log filter, such as warn or info,fingerpost::net=debug")),
        }
    }
}

impl TryFrom<String> for LogFilter {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

//----------- Choices ----------------------------------------------------------

/// What a registered service with nothing to give answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
#[value(rename_all = "lowercase")]
pub enum EmptyAnswer {
    /// NODATA, with `empty-service-ttl` as its negative TTL
    NoData,
    /// NXDOMAIN, with the zone's negative TTL, exactly as AWS does
    NxDomain,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
#[value(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people; coloured on a terminal
    Human,
    /// One JSON object a line
    Json,
}

impl fmt::Display for EmptyAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoData => "nodata",
            Self::NxDomain => "nxdomain",
        })
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Human => "human",
            Self::Json => "json",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_to_their_range() {
        type Payload = Bounded<512, 4096>;
        assert_eq!("512".parse::<Payload>().unwrap().get(), 512);
        assert_eq!("4096".parse::<Payload>().unwrap().get(), 4096);
        for bad in ["511", "4097", "-1", "99999999999", "12x", ""] {
            assert!(bad.parse::<Payload>().unwrap_err().contains("512 to 4096"), "{bad}");
        }
    }

    #[test]
    fn addresses_have_a_port_and_no_name() {
        assert!("[::1]:53".parse::<Address>().is_ok());
        for bad in ["localhost:53", "127.0.0.1", "::1:53:", ""] {
            assert!(bad.parse::<Address>().unwrap_err().contains("ADDR:PORT"), "{bad}");
        }
    }

    #[test]
    fn what_is_off_has_no_address() {
        assert_eq!("off".parse(), Ok(Switch(None)));
        assert_eq!("none".parse::<Switch>().unwrap().to_string(), "off");
        assert_eq!("[::1]:53".parse::<Switch>().unwrap().to_string(), "[::1]:53");
        assert!("on".parse::<Switch>().unwrap_err().ends_with(", nor off"));
    }

    #[test]
    fn arns_are_made_of_regions_and_accounts() {
        assert!("eu-west-3".parse::<Region>().is_ok() && "000000000000".parse::<AccountId>().is_ok());
        for bad in ["", "us:east", "US-EAST-1", &"x".repeat(65)] {
            assert!(bad.parse::<Region>().unwrap_err().contains("us-east-1"), "{bad}");
        }
        for bad in ["", "12345678901", "1234567890123", "12345678901a"] {
            assert!(bad.parse::<AccountId>().unwrap_err().contains("12 digits"), "{bad}");
        }
    }

    #[test]
    fn texts_fit_and_are_not_empty() {
        assert!("n".repeat(MAX_TEXT).parse::<Text>().is_ok());
        assert!("n".repeat(MAX_TEXT + 1).parse::<Text>().is_err());
        assert!("".parse::<Text>().is_err());
    }

    #[test]
    fn a_log_filter_parses() {
        assert!("info,fingerpost::net=debug".parse::<LogFilter>().is_ok());
        assert!("fingerpost=loud".parse::<LogFilter>().is_err());
        assert!("".parse::<LogFilter>().is_err());
    }
}
