//! How structures travel: as JSON, which every SDK speaks, or as CBOR, which the API model also offers.
//!
//! The member names are the same in both. JSON is `aws-json-1.1`, CBOR is `smithy-rpc-v2-cbor`.

use std::io;

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};

use super::ApiError;
use super::shapes::Body;

/// The protocol of a request, and hence of its reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// AWS JSON 1.1: the action is in `X-Amz-Target`.
    Json,
    /// Smithy RPC v2 CBOR: the action is in the path.
    Cbor,
}

impl Protocol {
    /// The media type of requests and replies.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/x-amz-json-1.1",
            Self::Cbor => "application/cbor",
        }
    }

    /// Reads a structure. No body at all is a structure without members: some clients send none where nothing is
    /// needed.
    pub fn decode<'a, T: Deserialize<'a>>(self, body: &'a [u8]) -> Result<T, ApiError> {
        match self {
            Self::Json => {
                let body = if body.is_empty() { b"{}" } else { body };
                serde_json::from_slice(body)
                    .map_err(|error| ApiError::serialization(format!("the body cannot be read: {error}")))
            }
            // ciborium's reader yields only what borrows nothing; its values lend what they hold.
            Self::Cbor => {
                let value = decode_cbor(if body.is_empty() { &[0xA0] } else { body })?;
                value
                    .deserialized()
                    .map_err(|error| ApiError::serialization(format!("the body cannot be read: {error}")))
            }
        }
    }

    /// Writes a structure.
    ///
    /// # Panics
    ///
    /// If `value` cannot be written in this protocol, as a map whose keys are no strings. No structure of the API model
    /// is such; were one, its requests would get `InternalFailure`.
    pub fn encode<T: Serialize + ?Sized>(self, value: &T) -> Vec<u8> {
        let mut body = Vec::with_capacity(256);
        let written = match self {
            Self::Json => serde_json::to_writer(&mut body, value).map_err(|error| error.to_string()),
            Self::Cbor => ciborium::into_writer(value, &mut body).map_err(|error| error.to_string()),
        };
        match written {
            Ok(()) => body,
            Err(error) => panic!("a reply cannot be written: {error}"),
        }
    }

    /// The body that tells a client of `error`.
    pub fn error_body(self, error: &ApiError) -> Vec<u8> {
        self.encode(&ErrorBody(error))
    }
}

/// Reads one CBOR item that is all of `body`.
fn decode_cbor(mut body: &[u8]) -> Result<ciborium::Value, ApiError> {
    use ciborium::de::Error;

    let refuse = |reason: String| Err(ApiError::serialization(format!("the body cannot be read: {reason}")));
    match ciborium::from_reader(&mut body) {
        Ok(value) if body.is_empty() => Ok(value),
        Ok(_) => refuse(format!("{} octets follow the structure", body.len())),
        Err(Error::Io(error)) if error.kind() == io::ErrorKind::UnexpectedEof => refuse("it ends too early".to_owned()),
        Err(Error::Io(error)) => refuse(error.to_string()),
        Err(Error::Syntax(offset)) => refuse(format!("it is not CBOR at octet {offset}")),
        Err(Error::Semantic(Some(offset), reason)) => refuse(format!("{reason} at octet {offset}")),
        Err(Error::Semantic(None, reason)) => refuse(reason),
        Err(Error::RecursionLimitExceeded) => refuse("it is nested too deep".to_owned()),
    }
}

impl<'a> Body<'a> for (Protocol, &'a [u8]) {
    fn decode<T: Deserialize<'a>>(self) -> Result<T, ApiError> {
        self.0.decode(self.1)
    }
}

/// An error as the structure that clients expect: the code, the message, and the members that the code has.
struct ErrorBody<'a>(&'a ApiError);

impl Serialize for ErrorBody<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(error) = self;
        let mut map = serializer.serialize_map(Some(2 + error.members.len()))?;
        map.serialize_entry("__type", error.code)?;
        map.serialize_entry("Message", &error.message)?;
        for (member, value) in &error.members {
            map.serialize_entry(member, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [Protocol; 2] = [Protocol::Json, Protocol::Cbor];

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Shape {
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        values: Vec<u32>,
    }

    #[test]
    fn structures_come_back() {
        let shape = Shape { name: Some("é".to_owned()), values: vec![1, 70_000] };
        for protocol in BOTH {
            assert_eq!(protocol.decode::<Shape>(&protocol.encode(&shape)).unwrap(), shape);
            assert_eq!(protocol.decode::<Shape>(b"").unwrap(), Shape::default());
        }
        assert_eq!(Protocol::Json.encode(&Shape::default()), b"{}");
        assert_eq!(Protocol::Cbor.encode(&Shape::default()), [0xA0]);
    }

    #[test]
    fn null_and_unknown_members_are_passed_over() {
        let body = br#"{"Name": null, "Other": {"Deep": [1, 2]}}"#;
        assert_eq!(Protocol::Json.decode::<Shape>(body).unwrap(), Shape::default());
        // The same in CBOR, the outer map of indefinite length.
        let body = b"\xBF\x64Name\xF6\x65Other\xA1\x64Deep\x82\x01\x02\xFF";
        assert_eq!(Protocol::Cbor.decode::<Shape>(body).unwrap(), Shape::default());
    }

    #[test]
    fn what_cannot_be_read_is_a_serialization_exception() {
        let deep_json = "[".repeat(100_000);
        let deep_cbor = [&b"\xA1\x65Other"[..], &[0x81; 100_000]].concat();
        let cases: [(Protocol, &[u8], &str); 9] = [
            (Protocol::Json, b"{", "EOF"),
            (Protocol::Json, b"{\"Name\": 5}", "invalid type: integer `5`, expected a string at line 1 column 10"),
            (Protocol::Json, b"{} {}", "trailing"),
            (Protocol::Json, b"\xFF", "expected value"),
            (Protocol::Json, deep_json.as_bytes(), "cannot be read"),
            (Protocol::Cbor, b"\xA1\x64Na", "ends too early"),
            (Protocol::Cbor, b"\xA1\x64Name\x05", "expected str"),
            (Protocol::Cbor, b"\xA0\xA0", "1 octets follow"),
            (Protocol::Cbor, &deep_cbor, "cannot be read"),
        ];
        for (protocol, body, words) in cases {
            let error = protocol.decode::<Shape>(body).unwrap_err();
            assert_eq!(error.code, "SerializationException");
            assert!(error.message.contains(words), "{}", error.message);
        }
    }

    #[test]
    fn errors_carry_their_members() {
        let error = ApiError::new("NamespaceAlreadyExists", "taken").with("NamespaceId", "ns-1");
        let text = r#"{"__type":"NamespaceAlreadyExists","Message":"taken","NamespaceId":"ns-1"}"#;
        assert_eq!(Protocol::Json.error_body(&error), text.as_bytes());
        let cbor: serde_json::Value = Protocol::Cbor.decode(&Protocol::Cbor.error_body(&error)).unwrap();
        assert_eq!(cbor, serde_json::from_str::<serde_json::Value>(text).unwrap());
    }
}
