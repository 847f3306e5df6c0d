//! What is known beside the template: its stack, who applies it, and the values given for parameters.

use std::collections::BTreeMap;

/// The pseudo parameters.
pub(super) const PSEUDO: &[&str] = &[
    "AWS::Region",
    "AWS::AccountId",
    "AWS::StackName",
    "AWS::StackId",
    "AWS::Partition",
    "AWS::URLSuffix",
    "AWS::NoValue",
];

/// What a template is read for; messages say what to do accordingly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// To be applied through the API.
    #[default]
    Apply,
    /// To be declared, where parameters have their defaults.
    Declare,
}

/// What is known beside the template.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// `AWS::StackName`.
    pub stack: String,
    /// `AWS::Region`.
    pub region: String,
    /// `AWS::AccountId`.
    pub account_id: String,
    /// Values by name of the parameter; of an ignored resource by `LogicalId` or `LogicalId.Attribute`.
    pub given: BTreeMap<String, String>,
    /// What it is read for.
    pub purpose: Purpose,
}

impl Settings {
    /// The longest name of a stack: marks of instances hold it, too.
    pub const STACK_MAX: usize = 40;

    /// The name of the stack of a template file that is called `stem` without its extension.
    pub fn stack_of(stem: &str) -> String {
        let mut name: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            name.insert_str(0, "stack-");
        }
        name.truncate(Self::STACK_MAX);
        name.trim_end_matches('-').to_owned()
    }

    /// Whether `name` can be the name of a stack.
    pub fn is_stack(name: &str) -> bool {
        name.len() <= Self::STACK_MAX
            && name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
    }

    /// The value of the pseudo parameter `AWS::name`: `Some(None)` for the one that is no value.
    pub(super) fn pseudo(&self, name: &str) -> Option<Option<String>> {
        let (partition, suffix) = match &*self.region {
            region if region.starts_with("cn-") => ("aws-cn", "amazonaws.com.cn"),
            region if region.starts_with("us-gov-") => ("aws-us-gov", "amazonaws.com"),
            _ => ("aws", "amazonaws.com"),
        };
        let value = match name {
            "Region" => self.region.clone(),
            "AccountId" => self.account_id.clone(),
            "StackName" => self.stack.clone(),
            "StackId" => {
                let (region, account, stack) = (&self.region, &self.account_id, &self.stack);
                format!(
                    "arn:{partition}:cloudformation:{region}:{account}:stack/{stack}/00000000-0000-0000-0000-000000000000"
                )
            }
            "Partition" => partition.to_owned(),
            "URLSuffix" => suffix.to_owned(),
            "NoValue" => return Some(None),
            _ => return None,
        };
        Some(Some(value))
    }

    /// How to give the value called `name`, for a message.
    pub(super) fn how_to_give(&self, name: &str) -> String {
        match self.purpose {
            Purpose::Apply => format!("give it with --parameters {name}=VALUE"),
            Purpose::Declare if name.contains('.') => {
                "a declared template has no other values; write the value into the template, or use `fingerpost apply`"
                    .into()
            }
            Purpose::Declare => format!(
                "a declared template takes parameters from their defaults: add a Default, or use `fingerpost apply` with \
                 --parameters {name}=VALUE"
            ),
        }
    }
}
