//! Messages of the interface as JSON, just as the HTTP bridge writes them: names in camel case, enums by name, what
//! is not set left out.

use std::sync::LazyLock;

use prost_reflect::prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use serde::Serializer;

use super::DESCRIPTOR_SET;

/// The interface; empty if its own descriptors cannot be read, which a test excludes.
static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| DescriptorPool::decode(DESCRIPTOR_SET).unwrap_or_default());

/// Writes a message of `campanile.v1` with this name.
///
/// # Errors
/// A sentence, if there is no such message or it is another one.
pub fn write<M: Message, S: Serializer>(name: &str, message: &M, to: S) -> Result<S::Ok, String> {
    let fault = |fault: &dyn std::error::Error| format!("cannot show {name} as JSON: {fault}");
    let full = format!("campanile.v1.{name}");
    let kind = POOL.get_message_by_name(&full).ok_or_else(|| format!("no message {full}"))?;
    let dynamic = DynamicMessage::decode(kind, message.encode_to_vec().as_slice()).map_err(|error| fault(&error))?;
    dynamic
        .serialize_with_options(to, &SerializeOptions::new().skip_default_fields(true))
        .map_err(|error| format!("cannot show {name} as JSON: {error}"))
}

/// A message as one line.
///
/// # Errors
/// Those of [`write()`].
pub fn line<M: Message>(name: &str, message: &M) -> Result<Vec<u8>, String> {
    let mut text = Vec::new();
    write(name, message, &mut serde_json::Serializer::new(&mut text))?;
    text.push(b'\n');
    Ok(text)
}

/// A message over several lines, for people.
///
/// # Errors
/// Those of [`write()`].
pub fn pretty<M: Message>(name: &str, message: &M) -> Result<String, String> {
    let mut text = Vec::new();
    write(name, message, &mut serde_json::Serializer::pretty(&mut text))?;
    String::from_utf8(text).map_err(|_| format!("{name} is no text"))
}

#[cfg(test)]
mod tests {
    use super::super::v1;
    use super::*;

    #[test]
    fn json_is_the_interface_s_own() {
        let message = v1::CancelMessageResponse { state: 6, sent: 2, is_final: true, ..Default::default() };
        let text = pretty("CancelMessageResponse", &message).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&value["state"], &value["isFinal"]), (&"MESSAGE_STATE_CANCELLED".into(), &true.into()));
        assert_eq!(
            serde_json::from_slice::<serde_json::Value>(&line("CancelMessageResponse", &message).unwrap()).unwrap(),
            value
        );
        assert_eq!(line("Nothing", &message).unwrap_err(), "no message campanile.v1.Nothing");
    }
}
