//! Tags of namespaces and services.

use serde::Serialize;

use super::arn::ResourceArn;
use super::member::{List, shape};
use super::texts::{NewTagKey, TagKey, TagValue};

/// Tags that a request may bring (API model `TagList`). How many a resource may have is a quota.
pub type TagList<'a> = List<NewTag<'a>, 0, 200>;

shape! { 'a;
    /// A tag to be.
    NewTag<'a> {
        /// The key.
        key: NewTagKey<'a> = "Key",
        /// The value.
        value: TagValue<'a> = "Value",
    }

    /// Asks for the tags of a resource.
    ListTagsForResource<'a> {
        /// The resource.
        resource_arn: ResourceArn<'a> = "ResourceARN",
    }

    /// Gives tags to a resource.
    TagResource<'a> {
        /// The resource.
        resource_arn: ResourceArn<'a> = "ResourceARN",
        /// The tags.
        tags: TagList<'a> = "Tags",
    }

    /// Takes tags from a resource.
    UntagResource<'a> {
        /// The resource.
        resource_arn: ResourceArn<'a> = "ResourceARN",
        /// Their keys.
        tag_keys: List<TagKey<'a>, 0, 200> = "TagKeys",
    }
}

/// A tag.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Tag<'a> {
    /// The key.
    pub key: &'a str,
    /// The value.
    pub value: &'a str,
}

/// The tags of a resource.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListTagsForResourceOutput<'a> {
    /// In the order in which they were given.
    pub tags: Vec<Tag<'a>>,
}
