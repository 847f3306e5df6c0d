//! Inputs and outputs against the API model's facts (`model`, `outputs`), and what the model does not say (`rules`).

mod model;
mod outputs;
mod rules;

use serde::Deserialize;

use super::{Body, Request};
use crate::channel::cloudmap::{Action, ApiError};

/// A body in JSON.
struct Json<'a>(&'a str);

impl<'a> Body<'a> for Json<'a> {
    fn decode<T: Deserialize<'a>>(self) -> Result<T, ApiError> {
        serde_json::from_str(self.0).map_err(|error| ApiError::serialization(error.to_string()))
    }
}

/// A body in CBOR.
struct Cbor<'a>(&'a [u8]);

impl<'a> Body<'a> for Cbor<'a> {
    fn decode<T: Deserialize<'a>>(self) -> Result<T, ApiError> {
        let value: ciborium::Value = ciborium::from_reader(self.0).unwrap();
        value.deserialized().map_err(|error| ApiError::serialization(error.to_string()))
    }
}

/// What comes of a JSON text.
fn decode(action: Action, json: &str) -> Result<Request<'_>, ApiError> {
    Request::decode(action, Json(json))
}

/// The error of a JSON text.
fn refusal(action: Action, json: &str) -> ApiError {
    decode(action, json).err().unwrap_or_else(|| panic!("{action:?} accepts {json}"))
}
