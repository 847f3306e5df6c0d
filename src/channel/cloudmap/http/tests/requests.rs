//! What comes back for which request.

use super::*;

#[tokio::test]
async fn a_connection_carries_many_requests() {
    let api = Api::start();
    let mut client = api.connect().await;
    for length in [0, 5, 100_000] {
        let reply = client.ask(json("DiscoverInstances", &"x".repeat(length))).await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.text(), format!("\"DiscoverInstances Json us-east-1 - - {length}\""));
        assert_eq!(reply.header("content-type"), Some("application/x-amz-json-1.1"));
        assert_eq!(reply.header("x-amzn-requestid").unwrap().len(), 36);
        assert_eq!(reply.header("x-amzn-errortype"), None);
    }
    // Ten at once, and a part of the next; replies come in order.
    let many: Vec<String> = (0..10).map(|n| json("GetService", &"x".repeat(n))).collect();
    client.send(many.concat() + "POST / HT").await;
    for n in 0..10 {
        assert!(client.receive().await.unwrap().text().ends_with(&format!(" {n}\"")));
    }
    api.wait_for("fingerpost_api_requests_total{action=\"GetService\"} 10").await;
    api.wait_for("fingerpost_api_connections_accepted_total 1").await;
}

#[tokio::test]
async fn cbor_is_spoken_on_its_own_path() {
    let api = Api::start();
    let mut client = api.connect().await;
    let request = |action: &str, header: &str| {
        format!(
            "POST /service/Route53AutoNaming_v20170314/operation/{action} HTTP/1.1\r\nHost: h\r\n{header}\
             Content-Type: application/cbor\r\nContent-Length: 1\r\n\r\n\u{0}"
        )
    };
    let header = "smithy-protocol: rpc-v2-cbor\r\n";
    let reply = client.ask(request("ListServices", header)).await;
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/cbor")));
    assert_eq!(reply.header("smithy-protocol"), Some("rpc-v2-cbor"));
    assert_eq!(Protocol::Cbor.decode::<String>(&reply.body).unwrap(), "ListServices Cbor us-east-1 - - 1");

    for (action, header) in [("Fly", header), ("ListServices", ""), ("ListServices", "smithy-protocol: json\r\n")] {
        let reply = client.ask(request(action, header)).await;
        assert_eq!((reply.status, reply.header("smithy-protocol")), (400, Some("rpc-v2-cbor")));
        let body: serde_json::Value = Protocol::Cbor.decode(&reply.body).unwrap();
        assert_eq!(body["__type"], "UnknownOperationException", "{body}");
    }
}

#[tokio::test]
async fn errors_have_aws_shape() {
    let api = Api::start();
    let mut client = api.connect().await;
    let reply = client.ask(json("DeleteNamespace", "{}")).await;
    assert_eq!((reply.status, reply.header("x-amzn-errortype")), (400, Some("ResourceInUse")));
    assert_eq!(reply.text(), r#"{"__type":"ResourceInUse","Message":"busy","Member":"value"}"#);
    for _ in 0..2 {
        let reply = client.ask(json("DeleteService", "{}")).await;
        assert_eq!((reply.status, reply.header("x-amzn-errortype")), (500, Some("InternalFailure")));
    }
    api.wait_for("fingerpost_api_errors_total{code=\"InternalFailure\"} 2").await;
    assert_eq!(client.ask(json("GetService", "{}")).await.status, 200, "the connection goes on");
}

#[tokio::test]
async fn what_is_not_of_the_api_is_told_so() {
    let api = Api::start();
    let mut client = api.connect().await;
    for (request, words) in [
        ("GET / HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(), "knows no GET"),
        ("POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}".to_owned(), "no path \\\"/x\\\""),
        ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n".to_owned(), "X-Amz-Target is missing"),
        (json("Fly", "{}"), "no action \\\"Fly\\\""),
        (json("Fly", "{}").replace("Route53AutoNaming", "DynamoDB"), "X-Amz-Target is \\\"DynamoDB"),
    ] {
        let reply = client.ask(&request).await;
        assert_eq!((reply.status, reply.header("x-amzn-errortype")), (400, Some("UnknownOperationException")));
        assert!(reply.text().contains(words), "{}", reply.text());
    }
    // The query has no meaning, and Host none for what is asked.
    let reply = client.ask(json("GetService", "{}").replace("POST / ", "POST /?a=b ")).await;
    assert_eq!(reply.status, 200);
    api.wait_for("fingerpost_api_requests_total{action=\"unknown\"} 5").await;
    let reply = client.ask("what?\r\n\r\n").await;
    assert_eq!(reply.status, 400);
    assert!(client.is_closed().await);
    api.wait_for("fingerpost_api_connections_closed_total{reason=\"malformed\"} 1").await;
}
