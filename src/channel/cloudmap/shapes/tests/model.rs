//! Walks the facts of the API model (`tests/cloudmap/model.json`, see `model.py` beside it): from each action's
//! smallest input it makes one that is wrong, or still right, in one place.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::{Cbor, decode};
use crate::channel::cloudmap::shapes::Request;
use crate::channel::cloudmap::shapes::pairs::Pairs;
use crate::channel::cloudmap::{Action, ApiError};

/// The facts.
#[derive(Deserialize)]
pub(super) struct Model<'a> {
    pub(super) actions: BTreeMap<String, Ends>,
    #[serde(borrow)]
    pub(super) shapes: BTreeMap<String, Shape<'a>>,
}

/// The shapes of an action.
#[derive(Deserialize)]
pub(super) struct Ends {
    pub(super) input: String,
    pub(super) output: Option<String>,
}

/// A shape.
#[derive(Deserialize)]
pub(super) struct Shape<'a> {
    pub(super) r#type: String,
    #[serde(default)]
    required: Vec<String>,
    /// In the model's order.
    #[serde(borrow, default, deserialize_with = "in_order")]
    pub(super) members: Pairs<'a>,
    pub(super) element: Option<String>,
    pub(super) key: Option<String>,
    pub(super) value: Option<String>,
    min: Option<i64>,
    max: Option<i64>,
    #[serde(default)]
    pub(super) r#enum: Vec<String>,
    #[serde(default)]
    pattern: bool,
}

/// Members with their shapes.
fn in_order<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Pairs<'a>, D::Error> {
    Pairs::deserialize(deserializer)
}

/// The committed facts.
const FACTS: &str = include_str!("../../../../../tests/cloudmap/model.json");

/// A place, and a value that has something special there.
type Variant = (String, Value);

impl Model<'_> {
    pub(super) fn read() -> Model<'static> {
        serde_json::from_str(FACTS).unwrap()
    }

    /// The smallest value of a shape.
    fn smallest(&self, name: &str) -> Value {
        let shape = &self.shapes[name];
        match (name, &*shape.r#type) {
            // Rules beyond the model's, all of which `rules` tests.
            ("CreateServiceRequest", _) => json!({"Name": "x", "NamespaceId": "ns-x"}),
            ("NamespaceFilter", _) => json!({"Name": "NAME", "Values": ["x"]}),
            ("ServiceFilter", _) => json!({"Name": "NAMESPACE_ID", "Values": ["x"]}),
            ("OperationFilter", _) => json!({"Name": "SERVICE_ID", "Values": ["x"]}),
            ("NamespaceNamePublic", _) => json!("x.org"),
            ("AWSAccountId", _) => json!("123456789012"),
            ("NextToken", _) => json!(""),
            (_, "structure") => shape
                .required
                .iter()
                .map(|name| (name.clone(), self.smallest(shape.members.get(name).unwrap())))
                .collect(),
            (_, "list") => json!([self.smallest(shape.element.as_ref().unwrap())]),
            (_, "map") => json!({"x": self.smallest(shape.value.as_ref().unwrap())}),
            (_, "string") => shape.enum_word().into(),
            _ => json!(shape.min),
        }
    }

    /// Values of a shape with something special at one place each: `special` gives it for a shape, and this carries it
    /// out of the shapes around it.
    fn variants(&self, name: &str, special: &dyn Fn(&Self, &str) -> Vec<Variant>) -> Vec<Variant> {
        let shape = &self.shapes[name];
        let mut variants = special(self, name);
        for (member, inner) in shape.members.iter() {
            for (path, value) in self.variants(inner, special) {
                let mut structure = self.smallest(name);
                structure[member] = value;
                let dot = if path.is_empty() || path.starts_with('[') { "" } else { "." };
                variants.push((format!("{member}{dot}{path}"), structure));
            }
        }
        if let Some(element) = &shape.element {
            let elements = self.variants(element, special).into_iter();
            variants.extend(elements.map(|(path, value)| {
                let dot = if path.is_empty() { "" } else { "." };
                (format!("[0]{dot}{path}"), json!([value]))
            }));
        }
        if let (Some(key), Some(value)) = (&shape.key, &shape.value) {
            let keys = self.variants(key, special).into_iter().filter_map(|(_, key)| Some(key.as_str()?.to_owned()));
            variants.extend(keys.map(|key| (String::new(), json!({key: self.smallest(value)}))));
            let values = self.variants(value, special).into_iter();
            variants.extend(values.map(|(_, value)| (String::new(), json!({"x": value}))));
        }
        variants
    }

    /// Every variant of every action's input.
    fn inputs(&self, special: &dyn Fn(&Self, &str) -> Vec<Variant>) -> Vec<(Action, String, Value)> {
        let actions = Action::ALL.iter().flat_map(|&action| {
            let variants = self.variants(&self.actions[action.name()].input, special).into_iter();
            variants.map(move |(path, value)| (action, path, value))
        });
        actions.collect()
    }

    /// A list or map of so many entries.
    fn entries(&self, shape: &Shape<'_>, count: i64) -> Value {
        match &shape.element {
            Some(element) => (0..count).map(|_| self.smallest(element)).collect(),
            None => (0..count).map(|n| (format!("x{n}"), json!("x"))).collect(),
        }
    }
}

impl Shape<'_> {
    /// The first word of an enumeration, or any text.
    fn enum_word(&self) -> String {
        self.r#enum.first().map_or_else(|| "x".to_owned(), Clone::clone)
    }
}

/// What breaks a shape's constraints.
fn wrong(model: &Model<'_>, name: &str) -> Vec<Variant> {
    let shape = &model.shapes[name];
    let below = shape.min.map(|min| min - 1).filter(|below| *below >= 0);
    let above = shape.max.map(|max| max + 1);
    let beyond = [below, above].into_iter().flatten();
    let values: Vec<Value> = match &*shape.r#type {
        "structure" => {
            let without = |member: &String| {
                let mut value = model.smallest(name);
                value.as_object_mut().unwrap().remove(member);
                [
                    (member.clone(), value.clone()),
                    (member.clone(), {
                        value[member] = Value::Null;
                        value
                    }),
                ]
            };
            return shape.required.iter().flat_map(without).collect();
        }
        "string" if !shape.r#enum.is_empty() => {
            vec![json!("FOREIGN"), json!(""), json!(shape.r#enum[0].to_lowercase())]
        }
        "string" => {
            let texts = beyond.map(|length| "x".repeat(length as usize));
            texts.chain(shape.pattern.then(|| "ä ".to_owned())).map(Value::from).collect()
        }
        "integer" | "long" => [shape.min.map(|min| min - 1), above].into_iter().flatten().map(Value::from).collect(),
        _ => beyond.map(|count| model.entries(shape, count)).collect(),
    };
    values.into_iter().map(|value| (String::new(), value)).collect()
}

/// What is not of a shape's type.
fn foreign(model: &Model<'_>, name: &str) -> Vec<Variant> {
    let values = match &*model.shapes[name].r#type {
        "string" => vec![json!(7), json!(true), json!({}), json!([])],
        "integer" | "long" => vec![json!("1"), json!(1.5), json!({}), json!([])],
        "list" => vec![json!({}), json!("x"), json!(1)],
        _ => vec![json!([]), json!("x"), json!(1), json!(["x", "x", "x", "x"])],
    };
    values.into_iter().map(|value| (String::new(), value)).collect()
}

/// What just fits a shape.
fn right(model: &Model<'_>, name: &str) -> Vec<Variant> {
    let shape = &model.shapes[name];
    let ends = [shape.min, shape.max].into_iter().flatten();
    let values: Vec<Value> = match (name, &*shape.r#type) {
        // Their words go with other members' values; a token is one of ours.
        ("FilterCondition" | "NextToken", _) => Vec::new(),
        (name, _) if name.ends_with("FilterName") => Vec::new(),
        ("RecordType", _) => vec![json!("A"), json!("AAAA"), json!("SRV")],
        // Of the map's key our rule allows less.
        ("ServiceAttributeKey", _) => vec![json!("x".repeat(64))],
        (_, "string") if !shape.r#enum.is_empty() => shape.r#enum.iter().map(|word| json!(word)).collect(),
        (_, "string") if shape.pattern => vec![model.smallest(name)],
        (_, "string") => ends.map(|length| json!("x".repeat(length as usize))).collect(),
        (_, "integer" | "long") => ends.map(Value::from).collect(),
        (_, "list" | "map") => ends.map(|count| model.entries(shape, count)).collect(),
        _ => vec![model.smallest(name)],
    };
    values.into_iter().map(|value| (String::new(), value)).collect()
}

/// The outcome of a value, which is the same in both protocols.
fn outcome(action: Action, value: &Value) -> Result<(), ApiError> {
    let text = value.to_string();
    let json = decode(action, &text);
    let mut octets = Vec::new();
    ciborium::into_writer(value, &mut octets).unwrap();
    let cbor = Request::decode(action, Cbor(&octets));
    match (&json, &cbor) {
        (Err(json), Err(cbor)) if json.code == "SerializationException" => assert_eq!(json.code, cbor.code, "{text}"),
        _ => assert_eq!(json, cbor, "{action:?} {text}"),
    }
    json.map(drop)
}

#[test]
fn every_action_is_known() {
    let model = Model::read();
    assert!(Action::ALL.iter().map(|action| action.name()).eq(model.actions.keys()));
}

#[test]
fn a_broken_constraint_is_refused_by_name() {
    let inputs = Model::read().inputs(&wrong);
    assert!(inputs.len() > 250, "{}", inputs.len());
    for (action, path, value) in inputs {
        let error = outcome(action, &value).expect_err(&format!("{action:?} {path} {value}"));
        assert_eq!(error.code, "InvalidInput", "{action:?} {value}");
        let rest = error.message.strip_prefix(&*path).unwrap_or_else(|| panic!("{action:?} {path}: {error}"));
        assert!(rest.starts_with([':', '.', ' ', '[']), "{action:?} {path}: {error}");
    }
}

#[test]
fn a_foreign_type_is_no_input() {
    for (action, path, value) in Model::read().inputs(&foreign) {
        let error = outcome(action, &value).expect_err(&format!("{action:?} {path} {value}"));
        assert_eq!(error.code, "SerializationException", "{action:?} {path} {value}");
    }
}

#[test]
fn what_just_fits_passes() {
    let model = Model::read();
    for (action, path, value) in model.inputs(&right) {
        // Two namespaces for one service.
        if path != "DnsConfig.NamespaceId" {
            assert_eq!(outcome(action, &value), Ok(()), "{action:?} {path} {value}");
        }
    }
}

#[test]
fn null_is_absent_and_unknown_members_are_nothing() {
    let model = Model::read();
    for &action in Action::ALL {
        let input = &model.actions[action.name()].input;
        let mut value = model.smallest(input);
        let shape = &model.shapes[input];
        for (member, _) in shape.members.iter().filter(|(member, _)| !shape.required.iter().any(|name| name == member))
        {
            if (action, member) != (Action::CreateService, "NamespaceId") {
                value[member] = Value::Null;
            }
        }
        value["Unknown"] = json!([1, {"a": null}]);
        assert_eq!(outcome(action, &value), Ok(()), "{action:?} {value}");
    }
}
