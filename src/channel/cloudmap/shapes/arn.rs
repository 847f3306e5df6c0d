//! Amazon Resource Names of namespaces and services:
//! `arn:PARTITION:servicediscovery:REGION:ACCOUNT:namespace/ID` and `…:service/ID`.

use std::borrow::Cow;

use super::member::{Member, Path, Text, length};
use crate::channel::cloudmap::ApiError;
use crate::model::validate::Violation;

/// What has an ARN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A namespace.
    Namespace,
    /// A service.
    Service,
}

impl Kind {
    /// For messages.
    pub(super) fn what(self) -> &'static str {
        match self {
            Self::Namespace => "the id or ARN of a namespace",
            Self::Service => "the id or ARN of a service",
        }
    }
}

/// The kind and the id in an ARN of this API.
fn parse(arn: &str) -> Option<(Kind, &str)> {
    let mut parts = arn.splitn(6, ':');
    let (prefix, partition, api) = (parts.next()?, parts.next()?, parts.next()?);
    let (_region, _account, resource) = (parts.next()?, parts.next()?, parts.next()?);
    let (kind, id) = resource.split_once('/')?;
    let kind = match kind {
        "namespace" => Kind::Namespace,
        "service" => Kind::Service,
        _ => return None,
    };
    (prefix == "arn" && !partition.is_empty() && api == "servicediscovery" && !id.is_empty()).then_some((kind, id))
}

/// The id of a resource of `kind`, from the id itself or from its ARN.
///
/// Any other text is taken as an id, which then names nothing. Region and account are not looked at: a server has one
/// registry, whose ids are unique.
pub fn id(text: Cow<'_, str>, kind: Kind) -> Result<Cow<'_, str>, Violation> {
    if !text.starts_with("arn:") {
        return Ok(text);
    }
    let Some((_, id)) = parse(&text).filter(|(found, _)| *found == kind) else {
        let allowed = match kind {
            Kind::Namespace => "ns-… and arn:aws:servicediscovery:REGION:ACCOUNT:namespace/ns-…",
            Kind::Service => "srv-… and arn:aws:servicediscovery:REGION:ACCOUNT:service/srv-…",
        };
        return Err(Violation::not(&text, kind.what(), allowed));
    };
    let start = text.len() - id.len();
    Ok(match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.get(start..).unwrap_or_default()),
        Cow::Owned(text) => Cow::Owned(text.get(start..).unwrap_or_default().to_owned()),
    })
}

/// The ARN of a resource with tags. One that names nothing of this API is kept as well: there the answer is
/// `ResourceNotFoundException`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceArn<'a>(Text<'a>);

impl ResourceArn<'_> {
    /// As given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it names: a namespace or a service, by its id.
    pub fn resource(&self) -> Option<(Kind, &str)> {
        parse(&self.0)
    }
}

impl<'a> Member<'a> for ResourceArn<'a> {
    type Raw = Text<'a>;

    fn check(raw: Text<'a>, at: &Path<'_>) -> Result<Self, ApiError> {
        length(&raw, "an ARN", 1, 1011).map_err(|violation| at.refuse(violation))?;
        Ok(Self(raw))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_arns_name_the_same() {
        for text in ["ns-abc", "arn:aws:servicediscovery:eu-central-1:123456789012:namespace/ns-abc"] {
            for text in [Cow::Borrowed(text), Cow::Owned(text.to_owned())] {
                assert_eq!(id(text, Kind::Namespace).unwrap(), "ns-abc");
            }
        }
        let service = "arn:aws-cn:servicediscovery:::service/srv-abc";
        assert_eq!(id(service.into(), Kind::Service).unwrap(), "srv-abc");
        let fault = id(service.into(), Kind::Namespace).unwrap_err().to_string();
        assert!(
            fault.starts_with(&format!("{service} is not the id or ARN of a namespace; allowed are ns-…")),
            "{fault}"
        );
        for bad in [
            "arn:",
            "arn:aws:ecs:r:1:namespace/ns-abc",
            "arn:aws:servicediscovery:r:1:namespace/",
            "arn:aws:servicediscovery:r:1:instance/i",
            "arn:aws:servicediscovery:r:1",
        ] {
            assert!(id(bad.into(), Kind::Namespace).is_err(), "{bad}");
        }
        assert_eq!(id("".into(), Kind::Service).unwrap(), "");
    }
}
