//! What users mean when they name a service or a namespace.

use super::{run, server};

#[test]
fn the_longest_namespace_that_has_the_service_is_meant() {
    let server = server();
    // Of DNS, clients of one VPC see no zone within another; HTTP namespaces may have any name.
    for name in ["shop --type http", "eu.shop --type http", "production.local"] {
        run(&server, &format!("create namespace {name}")).out();
    }
    let services = [("api", "eu.shop"), ("api.eu", "shop"), ("web.eu", "shop"), ("web.eu", "production.local")];
    for (name, namespace) in services {
        let records = if namespace == "production.local" { "--no-records" } else { "" };
        run(&server, &format!("create service {name} -n {namespace} {records}")).out();
    }
    let registered = |name: &str| run(&server, &format!("register {name} --id a -a x=1")).out();
    assert_eq!(registered("api.eu.shop"), "registered a in api.eu.shop\n");
    assert_eq!(registered("web.eu.shop"), "registered a in web.eu.shop\n");
    let services = run(&server, "get services -o json").json();
    let count = |name: &str, namespace: &str| {
        let mut services = services.as_array().unwrap().iter();
        services.find(|it| it["Name"] == name && it["NamespaceName"] == namespace).unwrap()["InstanceCount"].clone()
    };
    assert_eq!(
        (count("api", "eu.shop"), count("api.eu", "shop"), count("web.eu", "shop")),
        (1.into(), 0.into(), 1.into())
    );

    // Case and the dot at the end mean nothing in DNS, and something beyond.
    assert_eq!(registered("WEB.eu.Production.local."), "registered a in web.eu.production.local\n");
    let refusal = run(&server, "get instances API.eu.shop").refusal(1);
    assert_eq!(
        refusal,
        "there is no service API in namespace eu.shop; `fingerpost get services --namespace eu.shop` lists those that are \
         there"
    );
    let refusal = run(&server, "get instances api.elsewhere").refusal(1);
    assert_eq!(
        refusal,
        "api.elsewhere is in no namespace: a service is called SERVICE.NAMESPACE, as in api.production.local, or by \
         its id srv-…; the namespaces are eu.shop, production.local, shop"
    );
    let refusal = run(&server, "get instances production.local").refusal(1);
    assert!(refusal.starts_with("production.local is a namespace, and SERVICE.production.local is asked for"));
    let refusal = run(&server, "get services --namespace local").refusal(1);
    assert!(refusal.starts_with("there is no namespace local; the namespaces are "), "{refusal}");
    let refusal = run(&server, "get instances srv-aaaaaaaaaaaaaaaa").refusal(1);
    assert!(refusal.ends_with("(ServiceNotFound); `fingerpost get services` lists those that are there"), "{refusal}");
}

#[test]
fn a_list_of_many_pages_is_whole() {
    let server = server();
    run(&server, "create namespace jobs --type http").out();
    run(&server, "create service worker -n jobs").out();
    let input: Vec<String> = (0..230).map(|number| format!("i{number:03}")).collect();
    for id in &input {
        run(&server, &format!("register worker.jobs --id {id} -a n={id} --no-wait")).out();
    }
    let instances = run(&server, "get instances worker.jobs -o json").json();
    let ids: Vec<_> = instances.as_array().unwrap().iter().map(|instance| instance["Id"].as_str().unwrap()).collect();
    assert_eq!(ids, input);
}
