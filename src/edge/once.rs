//! JSON in which no object says a name twice, nor a field in both of its spellings. Readers disagree about which of the
//! two counts, so neither may: what a proxy checked would not be what is sent.

use std::collections::HashSet;
use std::fmt;

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Any JSON, forgotten as it is read; fails where an object repeats a name.
#[derive(Clone)]
pub(super) enum Once {
    /// What stands for a message, or for several of them.
    Message(MessageDescriptor),
    /// An object with names of the caller's own, and what its members are.
    Map(Box<Once>),
    /// Something else.
    Other,
}

impl Once {
    /// What a field holds.
    fn of(field: &FieldDescriptor) -> Once {
        let plain = |kind: Kind| match kind {
            Kind::Message(message) => Once::Message(message),
            _ => Once::Other,
        };
        match field.kind() {
            Kind::Message(entry) if field.is_map() => Once::Map(Box::new(plain(entry.map_entry_value_field().kind()))),
            kind => plain(kind),
        }
    }

    /// The one spelling of a name, and what its member is.
    fn member(&self, name: &str) -> (String, Once) {
        match self {
            Once::Message(message) => {
                let field = message.get_field_by_json_name(name).or_else(|| message.get_field_by_name(name));
                field.map_or_else(|| (name.to_owned(), Once::Other), |one| (one.json_name().to_owned(), Once::of(&one)))
            }
            Once::Map(value) => (name.to_owned(), (**value).clone()),
            Once::Other => (name.to_owned(), Once::Other),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Once {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Once {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(self.clone())?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut names: HashSet<String> = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            let (spelling, member) = self.member(&name);
            if !names.insert(spelling) {
                members.next_value::<IgnoredAny>()?;
                return Err(A::Error::custom(format_args!("`{name}` is said twice")));
            }
            members.next_value_seed(member)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use prost_reflect::DescriptorPool;

    use super::*;

    fn read(shape: Once, text: &str) -> Result<(), String> {
        let mut reader = serde_json::Deserializer::from_str(text);
        shape.deserialize(&mut reader).and_then(|()| reader.end()).map_err(|fault| fault.to_string())
    }

    #[test]
    fn a_name_may_stand_once_in_each_object() {
        for good in ["{}", "[{\"a\":1},{\"a\":2}]", "{\"a\":{\"a\":[null,true,-1,1.5,\"a\"]}}", "{\"a_b\":1,\"aB\":2}"]
        {
            assert_eq!(read(Once::Other, good), Ok(()), "{good}");
        }
        for bad in ["{\"a\":1,\"a\":1}", "[{\"b\":{\"a\":1,\"\\u0061\":2}}]"] {
            let fault = read(Once::Other, bad).unwrap_err();
            assert!(fault.starts_with("`a` is said twice"), "{fault}");
        }
    }

    #[test]
    fn a_field_may_stand_in_one_of_its_spellings() {
        let pool = DescriptorPool::decode(crate::api::DESCRIPTOR_SET).unwrap();
        let publish = Once::Message(pool.get_message_by_name("campanile.v1.PublishRequest").unwrap());
        for good in [
            "{\"messageClass\":1,\"idempotency_key\":\"1\",\"labels\":{\"a_b\":\"1\",\"aB\":\"2\"}}",
            "{\"audience\":{\"users\":{\"user_ids\":[\"1\"]}}}",
        ] {
            assert_eq!(read(publish.clone(), good), Ok(()), "{good}");
        }
        for (bad, name) in [
            ("{\"messageClass\":1,\"message_class\":2}", "message_class"),
            ("{\"audience\":{\"users\":{\"user_ids\":[],\"userIds\":[\"1\"]}}}", "userIds"),
            ("{\"labels\":{\"a\":\"1\",\"a\":\"2\"}}", "a"),
        ] {
            let fault = read(publish.clone(), bad).unwrap_err();
            assert!(fault.starts_with(&format!("`{name}` is said twice")), "{fault}");
        }
    }
}
