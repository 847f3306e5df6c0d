//! A client against a server of canned answers.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread::{self, JoinHandle};

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};

use super::*;
use crate::sigv4;

/// What a server got: header lines, and the body.
type Got = (HeaderMap, Value);

/// A server that gives these answers (status, body), one a request, all over one connection.
fn server(answers: Vec<(u16, Value)>) -> (SocketAddr, JoinHandle<Vec<Got>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut got = Vec::new();
        for (status, answer) in answers {
            let mut headers = HeaderMap::new();
            let mut lines = reader.by_ref().lines().map(Result::unwrap);
            assert_eq!(lines.next().unwrap(), "POST / HTTP/1.1");
            for line in lines.take_while(|line| !line.is_empty()) {
                let (name, value) = line.split_once(": ").unwrap();
                headers.insert(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
            }
            let mut body = vec![0; headers["content-length"].to_str().unwrap().parse().unwrap()];
            reader.read_exact(&mut body).unwrap();
            let text = match answer {
                Value::String(text) => text,
                answer => answer.to_string(),
            };
            write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{text}", text.len()).unwrap();
            got.push((headers, serde_json::from_slice(&body).unwrap()));
        }
        got
    });
    (address, thread)
}

/// The user.
fn credential() -> Credential {
    Credential { access_key_id: "AKID".into(), secret_access_key: "secret".into(), session_token: Some("t".into()) }
}

/// A client that asks as the user.
fn client(address: SocketAddr) -> Client {
    Client::with(format!("http://{address}").parse().unwrap(), credential(), "eu-central-1", None).unwrap()
}

#[test]
fn a_request_is_json_1_1_and_verifies() {
    let (address, thread) = server(vec![(200, json!({"Services": []}))]);
    let answer = client(address).call(Action::ListServices, &json!({"MaxResults": 3})).unwrap();
    assert_eq!(answer, json!({"Services": []}));
    let (headers, body) = thread.join().unwrap().remove(0);
    assert_eq!(body, json!({"MaxResults": 3}));
    assert_eq!(headers["content-type"], "application/x-amz-json-1.1");
    assert_eq!(headers["x-amz-target"], "Route53AutoNaming_v20170314.ListServices");
    assert_eq!(headers["host"], address.to_string());
    assert_eq!(headers["x-amz-security-token"], "t");
    let text = body.to_string();
    let request = sigv4::Request { method: "POST", path: "/", query: "", headers: &headers, body: text.as_bytes() };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let credential = credential();
    let found = sigv4::verify(&request, "servicediscovery", now, &sigv4::KeyCache::default(), |_| Some(&credential));
    let found = found.unwrap();
    assert_eq!((found.access_key_id, found.region), ("AKID", "eu-central-1"));
    assert_eq!(found.signed_headers, "content-type;host;x-amz-date;x-amz-security-token;x-amz-target");
}

#[test]
fn an_error_keeps_its_code_and_members() {
    let error = json!({"__type": "x.y#NamespaceAlreadyExists:", "Message": "there", "NamespaceId": "ns-1"});
    let (address, _) = server(vec![(400, error)]);
    let error = client(address).call(Action::CreateHttpNamespace, &json!({"Name": "n"})).unwrap_err();
    assert_eq!(
        (error.code(), error.to_string().as_str()),
        (Some("NamespaceAlreadyExists"), "there (NamespaceAlreadyExists)")
    );
    assert!(matches!(error, ClientError::Api { members, .. } if members["NamespaceId"] == "ns-1"));
}

#[test]
fn what_is_not_the_api_is_told_as_such() {
    for (status, body) in [(200, json!("<html>")), (404, json!({"error": "x"})), (200, json!([])), (301, json!({}))] {
        let (address, _) = server(vec![(status, body)]);
        let error = client(address).call(Action::ListServices, &json!({})).unwrap_err();
        assert!(matches!(error, ClientError::NotTheApi { status: found, .. } if found == status), "{error}");
    }
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = client(free).call(Action::ListServices, &json!({})).unwrap_err();
    let expected = format!(
        "http://{free} refuses connections; is `fingerpost serve` running there? Set another address with --endpoint \
         or FINGERPOST_ENDPOINT"
    );
    assert_eq!(error.to_string(), expected);
    assert!(error.is_passing());
}

#[test]
fn pages_follow_the_token_over_empty_pages() {
    let answers = vec![
        (200, json!({"Services": [1, 2], "NextToken": "a"})),
        (200, json!({"Services": [], "NextToken": "b"})),
        (200, json!({"Services": [3]})),
    ];
    let (address, thread) = server(answers);
    let client = client(address);
    let items: Vec<_> = client.pages(Action::ListServices, json!({"MaxResults": 2}), "Services").collect();
    assert_eq!(items, [Ok(json!(1)), Ok(json!(2)), Ok(json!(3))]);
    let got: Vec<_> = thread.join().unwrap().into_iter().map(|(_, body)| body).collect();
    assert_eq!(
        got,
        [
            json!({"MaxResults": 2}),
            json!({"MaxResults": 2, "NextToken": "a"}),
            json!({"MaxResults": 2, "NextToken": "b"})
        ]
    );

    let refusal = json!({"__type": "InvalidInput", "Message": "no"});
    let (address, _) = server(vec![(200, json!({"Services": [1], "NextToken": "a"})), (400, refusal)]);
    let client = self::client(address);
    let mut pages = client.pages(Action::ListServices, json!({}), "Services");
    assert_eq!(pages.next(), Some(Ok(json!(1))));
    assert_eq!(pages.next().unwrap().unwrap_err().to_string(), "no (InvalidInput)");
    assert_eq!(pages.next(), None);
}

#[test]
fn operations_are_waited_for() {
    let operation = |status: &str| (200, json!({"Operation": {"Id": "o", "Status": status, "ErrorCode": "C"}}));
    let answers = vec![(200, json!({"OperationId": "o"})), operation("SUBMITTED"), operation("PENDING")];
    let (address, thread) =
        server([answers, vec![operation("SUCCESS"), operation("FAIL"), operation("PENDING")]].concat());
    let client = client(address);
    let id = client.start(Action::DeleteNamespace, &json!({"Id": "ns-1"})).unwrap();
    assert_eq!(client.wait(&id, Duration::from_secs(9)).unwrap()["Status"], "SUCCESS");
    let error = client.wait(&id, Duration::from_secs(9)).unwrap_err();
    assert_eq!(error, ClientError::Failed { operation: "o".into(), code: "C".into(), message: String::new() });
    let error = client.wait(&id, Duration::ZERO).unwrap_err().to_string();
    assert_eq!(
        error,
        "operation o is PENDING after 0 s and goes on; see how it ends with `fingerpost get operations o`"
    );
    assert_eq!(thread.join().unwrap()[1].1, json!({"OperationId": "o"}));
}

#[test]
fn options_are_looked_up_in_order() {
    let with = |options: &ClientOptions, pairs: &[(&str, &str)]| {
        options.resolve(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    };
    let none = ClientOptions::default();
    let resolved = with(&none, &[("AWS_REGION", "")]).unwrap();
    assert_eq!((resolved.endpoint.to_string().as_str(), &*resolved.region), (Endpoint::DEFAULT, "us-east-1"));
    let aws = [("AWS_ENDPOINT_URL", "https://x/"), ("AWS_DEFAULT_REGION", "r-1")];
    let resolved = with(&none, &aws).unwrap();
    assert_eq!((resolved.endpoint.to_string().as_str(), &*resolved.region), ("https://x", "r-1"));
    let both = [aws[0], ("AWS_ENDPOINT_URL_SERVICEDISCOVERY", "http://y:1")];
    assert_eq!(with(&none, &both).unwrap().endpoint.authority(), "y:1");
    let said = ClientOptions { endpoint: Some("http://[::1]:8300".into()), region: Some("z".into()), ca_file: None };
    let resolved = with(&said, &both).unwrap();
    assert_eq!((resolved.endpoint.authority(), &*resolved.region), ("[::1]:8300", "z"));
    assert!(resolved.endpoint.is_loopback());

    for bad in ["127.0.0.1:8300", "ftp://x", "http://x/path", "http://u:p@x", "http://x/?q", ""] {
        let options = ClientOptions { endpoint: Some(bad.into()), ..none.clone() };
        let error = with(&options, &[]).unwrap_err().to_string();
        assert!(error.contains("is no endpoint: it must") && error.ends_with("as in http://127.0.0.1:8300"), "{error}");
    }
    let missing = ClientOptions { ca_file: Some("/no/such.pem".into()), ..none };
    let error = with(&missing, &[]).unwrap_err().to_string();
    assert!(error.starts_with("/no/such.pem cannot be read: "), "{error}");
}
