use std::fmt;

use super::schema::{Constructor, FLAGS_MAX, Kind, type_id};
use super::walk::{Result, is_there, number, take_constructor, take_count, take_kind, take_text, word};

/// An object in an answer, as far as it is looked at: where its fields lie.
pub struct Object<'b> {
    of: &'static Constructor,
    /// Those that are there, in the order of the constructor.
    fields: Vec<Option<&'b [u8]>>,
}

impl fmt::Debug for Object<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.of.name)
    }
}

impl<'b> Object<'b> {
    /// The object that `bytes` begin with, which must be of the type of that name, such as `messages.Messages`. The types
    /// that answers can hold are listed in `schema.tl`.
    ///
    /// # Errors
    /// If it is none, is cut off, or is nested too deep.
    pub fn of(name: &str, bytes: &'b [u8]) -> Result<Self> {
        Self::take(type_id(name), &mut { bytes })
    }

    fn take(of: u16, from: &mut &'b [u8]) -> Result<Self> {
        let of = take_constructor(of, from)?;
        let mut flags = [0; FLAGS_MAX];
        let mut fields = Vec::with_capacity(of.fields.len());
        for field in &of.fields {
            let there = is_there(field.flag, &flags).then(|| take_kind(&field.kind, from)).transpose()?;
            if let Kind::Flags(index) = field.kind {
                flags[index] = word(from)?;
            }
            fields.push(there);
        }
        Ok(Self { of, fields })
    }

    /// Whether it is of this constructor, such as `messageEmpty`.
    pub fn is(&self, name: &str) -> bool {
        self.of.name == name
    }

    /// Whether it has this field.
    pub fn has(&self, name: &str) -> bool {
        self.bytes(name).is_some()
    }

    /// A field as it stands there.
    pub fn bytes(&self, name: &str) -> Option<&'b [u8]> {
        self.field(name).map(|(_, bytes)| bytes)
    }

    /// A number of four bytes.
    pub fn int(&self, name: &str) -> Option<i32> {
        word(&mut self.bytes(name)?).ok().map(u32::cast_signed)
    }

    /// A number of eight bytes.
    pub fn long(&self, name: &str) -> Option<i64> {
        number(&mut self.bytes(name)?).ok()
    }

    /// A number with a fraction.
    pub fn double(&self, name: &str) -> Option<f64> {
        self.long(name).map(|bits| f64::from_bits(bits.cast_unsigned()))
    }

    /// What is in a field of text or bytes.
    pub fn text(&self, name: &str) -> Option<&'b [u8]> {
        take_text(&mut self.bytes(name)?).ok()
    }

    /// An object in a field.
    pub fn object(&self, name: &str) -> Option<Self> {
        match self.field(name)? {
            (Kind::Object(of), mut bytes) => Self::take(*of, &mut bytes).ok(),
            _ => None,
        }
    }

    /// The objects of a vector; none if there is no such field.
    pub fn objects(&self, name: &str) -> Objects<'b> {
        let none = Objects { of: 0, left: 0, rest: &[] };
        let Some((Kind::Vector(element), mut rest)) = self.field(name) else { return none };
        match (&**element, take_count(&mut rest)) {
            (Kind::Object(of), Ok(left)) => Objects { of: *of, left, rest },
            _ => none,
        }
    }

    fn field(&self, name: &str) -> Option<(&'static Kind, &'b [u8])> {
        let index = self.of.fields.iter().position(|field| field.name == name)?;
        Some((&self.of.fields[index].kind, self.fields[index]?))
    }
}

/// The objects of a vector, looked at one by one.
#[derive(Debug, Clone)]
pub struct Objects<'b> {
    of: u16,
    left: u32,
    rest: &'b [u8],
}

impl<'b> Objects<'b> {
    /// The objects of the vector that `bytes` begin with, which must be of the type of that name.
    ///
    /// # Errors
    /// If it is no vector, or one of them is of another type, is cut off, or is nested too deep.
    pub fn of(name: &str, bytes: &'b [u8]) -> Result<Self> {
        let (of, mut rest) = (type_id(name), bytes);
        let left = take_count(&mut rest)?;
        let mut walked = rest;
        for _ in 0..left {
            Object::take(of, &mut walked)?;
        }
        Ok(Self { of, left, rest })
    }
}

impl<'b> Iterator for Objects<'b> {
    type Item = Object<'b>;

    fn next(&mut self) -> Option<Object<'b>> {
        self.left = self.left.checked_sub(1)?;
        // It was walked over before.
        Object::take(self.of, &mut self.rest).ok()
    }
}
