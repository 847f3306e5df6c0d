//! How a member of a request becomes a value that follows the API model.
//!
//! Decoding and checking are two steps, because they fail differently: a body whose types are wrong is a
//! `SerializationException`, a value that breaks a rule is `InvalidInput`, which names the member. So every type has
//! a [`Member::Raw`] that serde decodes, and a check that makes the one from the other. No field of a structure can be
//! declared without such a type, so that none goes unchecked.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use serde::de::{Deserialize, Deserializer, Visitor};

use crate::channel::cloudmap::ApiError;
use crate::model::validate::Violation;

/// A type of the API model, as a member of a structure, an element of a list, or a whole input.
pub trait Member<'a>: Sized {
    /// What is decoded.
    type Raw: Deserialize<'a>;

    /// The value, if it follows the rules.
    fn check(raw: Self::Raw, at: &Path<'_>) -> Result<Self, ApiError>;

    /// What an absent or null member is: an error, but for [`Option`].
    fn absent(at: &Path<'_>) -> Result<Self, ApiError> {
        Err(ApiError::invalid_input(format!("{at} is missing; it is required")))
    }
}

impl<'a, T: Member<'a>> Member<'a> for Option<T> {
    type Raw = T::Raw;

    fn check(raw: T::Raw, at: &Path<'_>) -> Result<Self, ApiError> {
        T::check(raw, at).map(Some)
    }

    fn absent(_: &Path<'_>) -> Result<Self, ApiError> {
        Ok(None)
    }
}

//--- Where a value stands

/// The place of a value in a request, such as `Service.DnsConfig.DnsRecords[0].TTL`. Costs nothing until written.
#[derive(Clone, Copy, Debug)]
pub struct Path<'p> {
    parent: Option<&'p Self>,
    step: Step<'p>,
}

/// One step down.
#[derive(Clone, Copy, Debug)]
enum Step<'p> {
    /// The whole input.
    Root,
    /// To a member of a structure or, by its key, of a map.
    Member(&'p str),
    /// To an element of a list.
    Index(usize),
}

impl<'p> Path<'p> {
    /// The whole input.
    pub const ROOT: Self = Self { parent: None, step: Step::Root };

    /// A member of the structure here.
    pub fn member(&'p self, name: &'p str) -> Self {
        Self { parent: Some(self), step: Step::Member(name) }
    }

    /// An element of the list here.
    pub(super) fn index(&'p self, index: usize) -> Self {
        Self { parent: Some(self), step: Step::Index(index) }
    }

    /// The error of a value here.
    pub(super) fn refuse(&self, violation: impl fmt::Display) -> ApiError {
        ApiError::invalid_input(format!("{self}: {violation}"))
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        match self.step {
            Step::Root => Ok(()),
            Step::Index(index) => write!(f, "[{index}]"),
            Step::Member(name) => {
                let dot = if self.parent.is_some_and(|parent| !matches!(parent.step, Step::Root)) { "." } else { "" };
                write!(f, "{dot}{name}")
            }
        }
    }
}

//--- Structures

/// Declares structures of the API model: each field with its type, which brings the rules along, and its member name.
///
/// `=> FUNCTION;` adds a rule that ties several members: `fn(&Self, &Path) -> Result<(), ApiError>`.
macro_rules! shape {
    ($a:lifetime; $($(#[$meta:meta])* $name:ident $(<$borrow:lifetime>)? {
        $($(#[$field_meta:meta])* $field:ident: $type:ty = $member:literal,)*
    } $(=> $check:path;)?)*) => { $(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name $(<$borrow>)? {
            $($(#[$field_meta])* pub $field: $type,)*
        }

        #[allow(unreachable_pub, missing_docs)]
        const _: () = {
            use $crate::channel::cloudmap::shapes::member::{Member, Path, Text};

            pub struct Raw<$a> {
                $($field: Option<<$type as Member<$a>>::Raw>,)*
            }

            impl<$a> serde::Deserialize<$a> for Raw<$a> {
                fn deserialize<D: serde::Deserializer<$a>>(deserializer: D) -> Result<Self, D::Error> {
                    struct Members;

                    impl<$a> serde::de::Visitor<$a> for Members {
                        type Value = Raw<$a>;

                        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                            f.write_str("a structure")
                        }

                        fn visit_map<M: serde::de::MapAccess<$a>>(self, mut map: M) -> Result<Raw<$a>, M::Error> {
                            let mut raw = Raw { $($field: None,)* };
                            while let Some(key) = map.next_key::<Text<$a>>()? {
                                match &*key {
                                    $($member => raw.$field = map.next_value()?,)*
                                    _ => { map.next_value::<serde::de::IgnoredAny>()?; }
                                }
                            }
                            Ok(raw)
                        }
                    }

                    // Not `deserialize_struct`, with which some formats accept a list as well.
                    deserializer.deserialize_map(Members)
                }
            }

            impl<$a> Member<$a> for $name $(<$borrow>)? {
                type Raw = Raw<$a>;

                fn check(raw: Raw<$a>, at: &Path<'_>) -> Result<Self, $crate::channel::cloudmap::ApiError> {
                    let checked = Self { $($field: {
                        let at = at.member($member);
                        match raw.$field {
                            Some(raw) => <$type as Member<$a>>::check(raw, &at)?,
                            None => <$type as Member<$a>>::absent(&at)?,
                        }
                    },)* };
                    $($check(&checked, at)?;)?
                    Ok(checked)
                }
            }
        };
    )* };
}
pub(super) use shape;

//--- Strings

/// Any string, borrowed from the body where it stands there as it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Text<'a>(pub(super) Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Str;

        impl<'de> Visitor<'de> for Str {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }

            fn visit_string<E>(self, text: String) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text)))
            }
        }

        // ciborium refuses strings beyond its scratch buffer where one asks for `str`.
        deserializer.deserialize_string(Str)
    }
}

impl<'a> Member<'a> for Text<'a> {
    type Raw = Self;

    fn check(raw: Self, _: &Path<'_>) -> Result<Self, ApiError> {
        Ok(raw)
    }
}

/// Declares strings that follow a rule, `fn(&str) -> Result<(), Violation>`.
macro_rules! texts {
    ($($(#[$meta:meta])* $name:ident $rule:expr;)*) => { $(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $name<'a>(std::borrow::Cow<'a, str>);

        impl<'a> $name<'a> {
            /// The text.
            pub fn into_text(self) -> std::borrow::Cow<'a, str> {
                self.0
            }
        }

        impl std::ops::Deref for $name<'_> {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl<'a> $crate::channel::cloudmap::shapes::member::Member<'a> for $name<'a> {
            type Raw = $crate::channel::cloudmap::shapes::member::Text<'a>;

            fn check(
                raw: Self::Raw,
                at: &$crate::channel::cloudmap::shapes::member::Path<'_>,
            ) -> Result<Self, $crate::channel::cloudmap::ApiError> {
                let rule: fn(&str) -> Result<(), $crate::model::validate::Violation> = $rule;
                rule(&raw).map_err(|violation| at.refuse(violation))?;
                Ok(Self(raw.0))
            }
        }
    )* };
}
pub(super) use texts;

/// The rule of a string with `min` to `max` characters and no pattern.
pub(super) fn length(text: &str, what: &str, min: usize, max: usize) -> Result<(), Violation> {
    // No character has less than one octet, so that most texts need no counting.
    let fits = (min <= 1 && (min..=max).contains(&text.len())) || (min..=max).contains(&text.chars().count());
    fits.then_some(()).ok_or_else(|| {
        let allowed = match min {
            0 => format!("up to {max} characters"),
            _ if min == max => format!("exactly {max} characters"),
            _ => format!("{min} to {max} characters"),
        };
        Violation::not(text, what, &allowed)
    })
}

//--- Numbers

/// Declares whole numbers within a range.
macro_rules! numbers {
    ($($(#[$meta:meta])* $name:ident $rule:expr;)*) => { $(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(pub u32);

        impl<'a> $crate::channel::cloudmap::shapes::member::Member<'a> for $name {
            type Raw = i64;

            fn check(
                raw: i64,
                at: &$crate::channel::cloudmap::shapes::member::Path<'_>,
            ) -> Result<Self, $crate::channel::cloudmap::ApiError> {
                let rule: fn(&str) -> Result<u32, $crate::model::validate::Violation> = $rule;
                rule(&raw.to_string()).map(Self).map_err(|violation| at.refuse(violation))
            }
        }
    )* };
}
pub(super) use numbers;

//--- Lists

/// A list of `MIN` to `MAX` elements. Nulls in it count as absent, as clients that send them mean it.
#[derive(Clone, Debug, PartialEq)]
pub struct List<T, const MIN: usize = 0, const MAX: usize = { usize::MAX }>(pub Vec<T>);

impl<T, const MIN: usize, const MAX: usize> Deref for List<T, MIN, MAX> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<'a, T: Member<'a>, const MIN: usize, const MAX: usize> Member<'a> for List<T, MIN, MAX> {
    type Raw = Elements<T::Raw>;

    fn check(raw: Self::Raw, at: &Path<'_>) -> Result<Self, ApiError> {
        count(raw.0.iter().flatten().count(), MIN, MAX).map_err(|violation| at.refuse(violation))?;
        let elements = raw.0.into_iter().enumerate();
        let present = elements.filter_map(|(index, raw)| Some(T::check(raw?, &at.index(index))));
        present.collect::<Result<_, _>>().map(Self)
    }
}

/// The elements of a list as decoded.
pub struct Elements<R>(Vec<Option<R>>);

impl<'de, R: Deserialize<'de>> Deserialize<'de> for Elements<R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self)
    }
}

/// The rule of a number of entries, in a list or a map.
pub(super) fn count(entries: usize, min: usize, max: usize) -> Result<(), Violation> {
    let few = if entries < min { "few" } else { "many" };
    (min..=max).contains(&entries).then_some(()).ok_or_else(|| {
        let allowed = match max {
            usize::MAX => format!("{min} or more"),
            _ => format!("{min} to {max}"),
        };
        Violation::new(format!("{entries} entries are too {few}; allowed are {allowed}"))
    })
}
