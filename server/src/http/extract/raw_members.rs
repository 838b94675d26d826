//! Bodies whose members are read by rules of the domain, and documented like a type of their own.

use std::{borrow::Cow, fmt, marker::PhantomData};

use poem_openapi::{
    registry::{MetaSchemaRef, Registry},
    types::Type,
};
use serde_json::{Map, Value};

use super::body::{FromMembers, Members};

/// The members of a JSON object, unread: a merge patch must tell null from missing. The document shows
/// `T`.
pub struct RawMembers<T> {
    pub members: Map<String, Value>,
    documented_as: PhantomData<fn() -> T>,
}

impl<T> fmt::Debug for RawMembers<T> {
    /// The names alone: a value may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.members.keys()).finish()
    }
}

impl<T> FromMembers for RawMembers<T> {
    fn from_members(members: &mut Members) -> Option<Self> {
        Some(Self {
            members: members.take_all(),
            documented_as: PhantomData,
        })
    }
}

impl<T: Type> Type for RawMembers<T> {
    const IS_REQUIRED: bool = true;

    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        T::name()
    }

    fn schema_ref() -> MetaSchemaRef {
        T::schema_ref()
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}
