//! Filters of the list actions: a name, a condition, values.

use std::borrow::Cow;
use std::marker::PhantomData;

use super::arn::{self, Kind};
use super::member::{List, Member, Path, Text, shape};
use super::texts::FilterValue;
use super::words::{Condition, ResourceOwner, Word};
use crate::channel::cloudmap::ApiError;
use crate::model::NamespaceType;
use crate::model::validate::Violation;
use crate::registry::{OperationStatus, OperationType};

/// The filters of one request; all must hold.
pub type Filters<'a, N> = List<Filter<'a, N>>;

/// A filter on a property `N`.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter<'a, N> {
    /// The property.
    pub name: N,
    /// What is asked of it.
    pub test: Test<'a>,
}

/// What a filter asks of a property.
#[derive(Clone, Debug, PartialEq)]
pub enum Test<'a> {
    /// Equal to one of the values.
    OneOf(Vec<Cow<'a, str>>),
    /// Starts with the value.
    BeginsWith(Cow<'a, str>),
    /// Milliseconds since the epoch, the ends included.
    Between(u64, u64),
}

impl Test<'_> {
    /// Whether a property with this text passes.
    pub fn holds(&self, text: &str) -> bool {
        match self {
            Self::OneOf(values) => values.iter().any(|value| value == text),
            Self::BeginsWith(value) => text.starts_with(&**value),
            Self::Between(..) => false,
        }
    }

    /// Whether a property with this time, in milliseconds since the epoch, passes.
    pub fn holds_at(&self, millis: u64) -> bool {
        matches!(self, Self::Between(from, to) if (*from..=*to).contains(&millis))
    }
}

/// A property that a list can be filtered by.
pub trait Property: Word {
    /// The conditions it allows.
    fn conditions(self) -> &'static [Condition];

    /// A value in the form in which the property has it, if it is possible at all.
    fn value(self, text: Cow<'_, str>) -> Result<Cow<'_, str>, Violation>;
}

/// Declares the properties of one list action.
macro_rules! properties {
    ($($(#[$meta:meta])* $name:ident $what:literal {
        $($(#[$value_meta:meta])* $value:ident = $word:literal [$($condition:ident)*] $rule:expr,)*
    })*) => { $(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$value_meta])* $value,)* }

        impl Word for $name {
            const WHAT: &'static str = $what;
            const WORDS: &'static [(Self, &'static str)] = &[$((Self::$value, $word),)*];
        }

        impl Property for $name {
            fn conditions(self) -> &'static [Condition] {
                match self { $(Self::$value => &[$(Condition::$condition,)*],)* }
            }

            fn value(self, text: Cow<'_, str>) -> Result<Cow<'_, str>, Violation> {
                match self { $(Self::$value => $rule(text),)* }
            }
        }
    )* };
}

properties! {
    /// Properties of namespaces.
    NamespaceProperty "a filter of namespaces" {
        /// The kind.
        Type = "TYPE" [Eq BeginsWith] word::<NamespaceType>,
        /// The name.
        Name = "NAME" [Eq BeginsWith] Ok,
        /// The name for discovery.
        HttpName = "HTTP_NAME" [Eq BeginsWith] Ok,
        /// Whose it is.
        ResourceOwner = "RESOURCE_OWNER" [Eq] word::<ResourceOwner>,
    }
    /// Properties of services.
    ServiceProperty "a filter of services" {
        /// The namespace's id.
        NamespaceId = "NAMESPACE_ID" [Eq] namespace_id,
        /// Whose it is.
        ResourceOwner = "RESOURCE_OWNER" [Eq] word::<ResourceOwner>,
    }
    /// Properties of operations.
    OperationProperty "a filter of operations" {
        /// The namespace's id.
        NamespaceId = "NAMESPACE_ID" [Eq] namespace_id,
        /// The service's id.
        ServiceId = "SERVICE_ID" [Eq] service_id,
        /// How far it is.
        Status = "STATUS" [Eq In] status,
        /// What it does.
        Type = "TYPE" [Eq In] word::<OperationType>,
        /// When the status last changed.
        UpdateDate = "UPDATE_DATE" [Between] Ok,
    }
}

/// One of the words of `W`.
fn word<W: Word>(text: Cow<'_, str>) -> Result<Cow<'_, str>, Violation> {
    W::parse(&text).map(|_| text)
}

/// A status, which the documentation of the API model also spells `SUCCEED`.
fn status(text: Cow<'_, str>) -> Result<Cow<'_, str>, Violation> {
    if text == "SUCCEED" { Ok(Cow::Borrowed("SUCCESS")) } else { word::<OperationStatus>(text) }
}

/// The id of a namespace.
fn namespace_id(text: Cow<'_, str>) -> Result<Cow<'_, str>, Violation> {
    arn::id(text, Kind::Namespace)
}

/// The id of a service.
fn service_id(text: Cow<'_, str>) -> Result<Cow<'_, str>, Violation> {
    arn::id(text, Kind::Service)
}

/// A point in time in seconds since the epoch, with or without a fraction, as milliseconds.
fn date(text: &str) -> Result<u64, Violation> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|octet| octet.is_ascii_digit());
    let parsed = (digits(seconds) && digits(fraction)).then(|| {
        let millis = format!("{fraction}000").get(..3)?.parse::<u64>().ok()?;
        seconds.parse::<u64>().ok()?.checked_mul(1000)?.checked_add(millis)
    });
    parsed.flatten().ok_or_else(|| Violation::not(text, "a date", "seconds since 1970-01-01 00:00 UTC"))
}

shape! { 'a;
    /// A filter before its name is known to fit.
    Unnamed<'a> {
        /// The property.
        name: Text<'a> = "Name",
        /// What it is compared with.
        values: List<FilterValue<'a>> = "Values",
        /// How.
        condition: Option<Condition> = "Condition",
    }
}

/// The decoded form of a filter on `N`.
pub struct RawFilter<'a, N>(<Unnamed<'a> as Member<'a>>::Raw, PhantomData<N>);

impl<'de, N> serde::Deserialize<'de> for RawFilter<'de, N> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde::Deserialize::deserialize(deserializer).map(|raw| Self(raw, PhantomData))
    }
}

impl<'a, N: Property> Member<'a> for Filter<'a, N> {
    type Raw = RawFilter<'a, N>;

    fn check(raw: RawFilter<'a, N>, at: &Path<'_>) -> Result<Self, ApiError> {
        let unnamed = Unnamed::check(raw.0, at)?;
        let name = N::parse(&unnamed.name).map_err(|violation| at.member("Name").refuse(violation))?;
        let condition = unnamed.condition.unwrap_or(Condition::Eq);
        if !name.conditions().contains(&condition) {
            let words: Vec<_> = name.conditions().iter().map(|condition| condition.word()).collect();
            let allowed = words.join(" and ");
            let text = format!("{} is not a condition for {}; allowed are {allowed}", condition.word(), name.word());
            return Err(at.member("Condition").refuse(text));
        }
        let values = unnamed.values.0.into_iter().map(FilterValue::into_text).collect();
        Ok(Self { name, test: Test::new(name, condition, values, &at.member("Values"))? })
    }
}

impl<'a> Test<'a> {
    /// The test of `values` under a condition that `name` allows.
    fn new(
        name: impl Property,
        condition: Condition,
        values: Vec<Cow<'a, str>>,
        at: &Path<'_>,
    ) -> Result<Self, ApiError> {
        let (wanted, allowed) = match condition {
            Condition::Eq | Condition::BeginsWith => (1..=1, "exactly one"),
            Condition::Between => (2..=2, "exactly two, the earlier date first"),
            Condition::In => (1..=usize::MAX, "one or more"),
        };
        if !wanted.contains(&values.len()) {
            let text = format!("{} values do not fit {}; allowed are {allowed}", values.len(), condition.word());
            return Err(at.refuse(text));
        }
        let mut values = values.into_iter();
        let at_value = |index: usize| move |violation: Violation| at.index(index).refuse(violation);
        match condition {
            Condition::Eq | Condition::In => values
                .enumerate()
                .map(|(index, value)| name.value(value).map_err(at_value(index)))
                .collect::<Result<_, _>>()
                .map(Self::OneOf),
            Condition::BeginsWith => Ok(Self::BeginsWith(values.next().unwrap_or_default())),
            Condition::Between => {
                let dates = values.enumerate().map(|(index, value)| date(&value).map_err(at_value(index)));
                match *dates.collect::<Result<Vec<_>, _>>()? {
                    [from, to] if from <= to => Ok(Self::Between(from, to)),
                    _ => Err(at.refuse("the dates are in the wrong order; allowed is the earlier one first")),
                }
            }
        }
    }
}
