//! Rules that tie members, filters, order, and the words of refusals.

use serde_json::{Value, json};

use super::{decode, refusal};
use crate::channel::cloudmap::Action;
use crate::channel::cloudmap::shapes::Request;
use crate::channel::cloudmap::shapes::filters::{Filter, OperationProperty, Test};

/// Adds the members of `more` to those of `base`.
fn with(mut base: Value, more: Value) -> String {
    base.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    base.to_string()
}

/// The input of a new service with more members.
fn service(more: Value) -> String {
    with(json!({"Name": "api", "NamespaceId": "ns-1"}), more)
}

fn records(types: &[&str]) -> Value {
    types.iter().map(|name| json!({"Type": name, "TTL": 10})).collect()
}

#[test]
fn a_service_has_one_namespace() {
    let namespace = |json: &str| match decode(Action::CreateService, json) {
        Ok(Request::CreateService(service)) => service.namespace().to_owned(),
        other => panic!("{other:?}"),
    };
    let arn = "arn:aws:servicediscovery:r:1:namespace/ns-1";
    let config = |id: &str| json!({"NamespaceId": id, "DnsRecords": records(&["A"])});
    assert_eq!(namespace(&json!({"Name": "api", "NamespaceId": arn}).to_string()), "ns-1");
    assert_eq!(namespace(&json!({"Name": "api", "DnsConfig": config("ns-1")}).to_string()), "ns-1");
    assert_eq!(namespace(&json!({"Name": "api", "NamespaceId": arn, "DnsConfig": config("ns-1")}).to_string()), "ns-1");
    let error = refusal(Action::CreateService, &service(json!({"DnsConfig": config("ns-2")})));
    let text = "DnsConfig.NamespaceId: ns-2 differs from NamespaceId; allowed are equal ids or one of the two";
    assert_eq!(error.message, text);
    assert_eq!(refusal(Action::CreateService, r#"{"Name": "api"}"#).message, "NamespaceId is missing; it is required");
}

#[test]
fn configurations_go_together() {
    let check = json!({"Type": "HTTP", "ResourcePath": "/"});
    let good = [
        json!({"HealthCheckConfig": check, "DnsConfig": {"DnsRecords": records(&["A", "SRV"])}}),
        json!({"HealthCheckCustomConfig": {}, "DnsConfig": {"DnsRecords": records(&["A", "AAAA", "SRV"])}}),
        json!({"HealthCheckConfig": {"Type": "TCP"}}),
        json!({"DnsConfig": {"RoutingPolicy": "WEIGHTED", "DnsRecords": records(&["CNAME"])}}),
        json!({"Type": "HTTP", "HealthCheckCustomConfig": {"FailureThreshold": 10}}),
    ];
    for more in good {
        let json = service(more);
        assert!(decode(Action::CreateService, &json).is_ok(), "{:?}", decode(Action::CreateService, &json));
    }
    let cname = json!({"RoutingPolicy": "WEIGHTED", "DnsRecords": records(&["CNAME"])});
    let bad = [
        (json!({"HealthCheckConfig": check, "HealthCheckCustomConfig": {}}), "HealthCheckCustomConfig: "),
        (json!({"HealthCheckConfig": check, "DnsConfig": cname}), "HealthCheckConfig: "),
        (json!({"HealthCheckConfig": {"Type": "TCP", "ResourcePath": "/"}}), "HealthCheckConfig.ResourcePath: / "),
        (json!({"HealthCheckConfig": {"Type": "HTTP", "ResourcePath": "/a b"}}), "HealthCheckConfig.ResourcePath: "),
        (json!({"HealthCheckConfig": {"Type": "HTTP", "ResourcePath": "/\r\n"}}), "HealthCheckConfig.ResourcePath: "),
        (json!({"Type": "HTTP", "DnsConfig": {"DnsRecords": records(&["A"])}}), "Type: "),
        (
            json!({"DnsConfig": {"DnsRecords": []}}),
            "DnsConfig.DnsRecords: 0 entries are too few; allowed are 1 or more",
        ),
        (json!({"DnsConfig": {"DnsRecords": [null]}}), "DnsConfig.DnsRecords: 0 entries"),
        (json!({"DnsConfig": {"DnsRecords": records(&["A", "A"])}}), "DnsConfig.DnsRecords: A stands there twice"),
        (json!({"DnsConfig": {"DnsRecords": records(&["CNAME"])}}), "DnsConfig.DnsRecords: CNAME needs"),
    ];
    for (more, text) in bad {
        let error = refusal(Action::CreateService, &service(more));
        assert!(error.message.starts_with(text), "{error}");
    }
    let change = |change: Value| json!({"Id": "srv-1", "Service": change}).to_string();
    assert!(decode(Action::UpdateService, &change(json!({"DnsConfig": {"DnsRecords": records(&["CNAME"])}}))).is_ok());
    let both = json!({"HealthCheckConfig": check, "DnsConfig": {"DnsRecords": records(&["CNAME"])}});
    let error = refusal(Action::UpdateService, &change(both));
    assert!(error.message.starts_with("Service.HealthCheckConfig: "), "{error}");
    let ttl = json!({"DnsConfig": {"DnsRecords": [{"Type": "A", "TTL": 2_147_483_648_u32}]}});
    let text = "Service.DnsConfig.DnsRecords[0].TTL: 2147483648 is not a TTL; allowed are 0 to 2147483647 seconds";
    assert_eq!(refusal(Action::UpdateService, &change(ttl)).message, text);
}

#[test]
fn attributes_keep_their_order() {
    let register =
        |attributes: &str| format!(r#"{{"ServiceId": "srv-1", "InstanceId": "i", "Attributes": {attributes}}}"#);
    let many: Vec<_> = (0..60).map(|n| format!(r#""k{n}": "a", "k{n}": null, "k{}": "b""#, n / 2)).collect();
    let many = format!("{{{}}}", many.join(", "));
    let json = register(r#"{"z": "1", "a": "\u0032", "z": "3", "n": null, "m": ""}"#);
    let Ok(Request::RegisterInstance(input)) = decode(Action::RegisterInstance, &json) else { panic!() };
    assert!(input.attributes.0.iter().eq([("z", "3"), ("a", "2"), ("m", "")]));
    assert_eq!(input.attributes.0.get("a"), Some("2"));
    let error = refusal(Action::RegisterInstance, &register(&many));
    assert_eq!(error.message, "Attributes: 60 custom attributes are too many; allowed are 30");
    let query = format!(r#"{{"NamespaceName": "x", "ServiceName": "y", "QueryParameters": {many}}}"#);
    let Ok(Request::DiscoverInstances(input)) = decode(Action::DiscoverInstances, &query) else { panic!() };
    let parameters = input.query_parameters.unwrap().0;
    assert_eq!(parameters.iter().len(), 60);
    assert_eq!((parameters.get("k29"), parameters.get("k30")), (Some("b"), Some("a")));
    let error = refusal(Action::RegisterInstance, &register(r#"{"AWS_INSTANCE_PORT": "0"}"#));
    let text = "Attributes.AWS_INSTANCE_PORT: 0 is not a port; AWS_INSTANCE_PORT allows 1 to 65535";
    assert_eq!(error.message, text);
}

#[test]
fn plain_texts_are_borrowed() {
    let json = r#"{"ServiceId": "arn:aws:servicediscovery:r:1:service/srv-1", "InstanceId": "i", "Attributes": {}}"#;
    let Ok(Request::RegisterInstance(input)) = decode(Action::RegisterInstance, json) else { panic!() };
    assert_eq!(&*input.service_id, "srv-1");
    assert!(matches!(input.service_id.into_text(), std::borrow::Cow::Borrowed(_)));
    assert!(matches!(input.instance_id.into_text(), std::borrow::Cow::Borrowed(_)));
}

#[test]
fn tags_of_aws_are_refused() {
    let arn = "arn:aws:servicediscovery:r:1:service/srv-1";
    let tag = |key: &str| json!({"ResourceARN": arn, "Tags": [{"Key": key, "Value": ""}]}).to_string();
    assert!(decode(Action::TagResource, &tag("aws")).is_ok());
    let error = refusal(Action::TagResource, &tag("AWS:x"));
    assert!(error.message.starts_with("Tags[0].Key: AWS:x is not the key of a tag"), "{error}");
    assert!(decode(Action::UntagResource, &json!({"ResourceARN": arn, "TagKeys": ["aws:x"]}).to_string()).is_ok());
}

#[test]
fn filters_fit_their_lists() {
    let filter = |name: &str, condition: Option<&str>, values: &[&str]| {
        json!({"Filters": [null, {"Name": name, "Condition": condition, "Values": values}]}).to_string()
    };
    use Action::{ListNamespaces, ListOperations, ListServices};
    type Case = (Action, &'static str, Option<&'static str>, &'static [&'static str]);
    let good: [Case; 12] = [
        (ListNamespaces, "TYPE", None, &["DNS_PRIVATE"]),
        (ListNamespaces, "TYPE", Some("BEGINS_WITH"), &["DNS_"]),
        (ListNamespaces, "HTTP_NAME", Some("BEGINS_WITH"), &["x"]),
        (ListNamespaces, "RESOURCE_OWNER", Some("EQ"), &["SELF"]),
        (ListServices, "NAMESPACE_ID", None, &["arn:aws:servicediscovery:r:1:namespace/ns-1"]),
        (ListServices, "RESOURCE_OWNER", None, &["OTHER_ACCOUNTS"]),
        (ListOperations, "STATUS", Some("IN"), &["SUBMITTED", "SUCCEED"]),
        (ListOperations, "STATUS", None, &["SUCCESS"]),
        (ListOperations, "TYPE", Some("IN"), &["UPDATE_NAMESPACE"]),
        (ListOperations, "UPDATE_DATE", Some("BETWEEN"), &["0", "1587055860.1219"]),
        (ListOperations, "UPDATE_DATE", Some("BETWEEN"), &["7", "7"]),
        (ListOperations, "SERVICE_ID", None, &["srv-1"]),
    ];
    for (action, name, condition, values) in good {
        let json = filter(name, condition, values);
        assert!(decode(action, &json).is_ok(), "{:?}", decode(action, &json));
    }
    let bad: [(Case, &str); 13] = [
        ((ListNamespaces, "TYPE", None, &["DNS"]), "Filters[1].Values[0]: DNS is not a type of namespace; allowed are"),
        ((ListNamespaces, "NAME", None, &["a", "b"]), "Filters[1].Values: 2 values do not fit EQ; allowed are exactly"),
        ((ListNamespaces, "NAME", None, &[]), "Filters[1].Values: 0 values"),
        ((ListNamespaces, "NAME", Some("IN"), &["a"]), "Filters[1].Condition: IN is not a condition for NAME; allowed"),
        ((ListNamespaces, "RESOURCE_OWNER", Some("BEGINS_WITH"), &["S"]), "Filters[1].Condition: "),
        ((ListNamespaces, "NAMESPACE_ID", None, &["x"]), "Filters[1].Name: NAMESPACE_ID is not a filter of namespaces"),
        ((ListServices, "NAME", None, &["x"]), "Filters[1].Name: "),
        ((ListServices, "NAMESPACE_ID", None, &["arn:x"]), "Filters[1].Values[0]: arn:x is not the id or ARN"),
        ((ListOperations, "UPDATE_DATE", None, &["1", "2"]), "Filters[1].Condition: EQ"),
        ((ListOperations, "UPDATE_DATE", Some("BETWEEN"), &["2", "1"]), "Filters[1].Values: the dates are"),
        ((ListOperations, "UPDATE_DATE", Some("BETWEEN"), &["1", "-1"]), "Filters[1].Values[1]: -1 is not a date"),
        ((ListOperations, "UPDATE_DATE", Some("BETWEEN"), &["1."]), "Filters[1].Values: 1 values"),
        ((ListOperations, "STATUS", Some("IN"), &["SUCCESS", "DONE"]), "Filters[1].Values[1]: DONE"),
    ];
    for ((action, name, condition, values), text) in bad {
        let error = refusal(action, &filter(name, condition, values));
        assert_eq!(error.code, "InvalidInput");
        assert!(error.message.starts_with(text), "{error}");
    }
    let json = filter("STATUS", Some("IN"), &["FAIL", "SUCCEED"]);
    let Ok(Request::ListOperations(input)) = decode(ListOperations, &json) else { panic!() };
    let test = Test::OneOf(vec!["FAIL".into(), "SUCCESS".into()]);
    assert_eq!(input.filters.unwrap()[..], [Filter { name: OperationProperty::Status, test: test.clone() }]);
    assert!(test.holds("FAIL") && !test.holds("F") && Test::BeginsWith("F".into()).holds("FAIL"));
    let json = filter("UPDATE_DATE", Some("BETWEEN"), &["1.5", "1587055860.1219"]);
    let Ok(Request::ListOperations(input)) = decode(ListOperations, &json) else { panic!() };
    let test = &input.filters.unwrap()[0].test;
    assert_eq!(*test, Test::Between(1_500, 1_587_055_860_121));
    assert!(test.holds_at(1_500) && !test.holds_at(1_499) && !test.holds("1500"));
}

#[test]
fn a_page_of_another_list_is_refused() {
    let token = crate::channel::cloudmap::shapes::paging::NextToken::<b'n'>(Box::new(*b"ns-1")).encode();
    let json = json!({"NextToken": token}).to_string();
    assert!(decode(Action::ListNamespaces, &json).is_ok());
    let error = refusal(Action::ListServices, &json);
    assert!(error.message.starts_with(&format!("NextToken: {token} is not a token of this list")), "{error}");
}
