//! The rules of Cloud Map for names, record combinations and attributes.
