//! How bodies are read: forms, JSON, and the fields in them.

pub(crate) mod blank_line;
pub(crate) mod boundary;
pub(crate) mod delimiter;
pub(crate) mod digest;
pub(crate) mod encoded;
pub(crate) mod form;
pub(crate) mod head;
pub(crate) mod json;
pub(crate) mod parts;
pub(crate) mod raw;
pub(crate) mod tap;
