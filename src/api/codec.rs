//! The protobuf codec. It differs from the stock one in one point: bytes that cannot be read as the request
//! message are the caller's fault and answer INVALID_ARGUMENT with the field, not INTERNAL.

use std::marker::PhantomData;

use prost::{DecodeError, Message};
use tonic::Status;
use tonic::codec::{BufferSettings, Codec as TonicCodec, DecodeBuf, Decoder as TonicDecoder};
use tonic_prost::ProstEncoder;

use super::error;
use crate::domain::refusal::{Reason, Refusal};

/// Encodes `T` and decodes `U`.
#[derive(Debug)]
pub struct Codec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for Codec<T, U> {
    fn default() -> Self {
        Codec(PhantomData)
    }
}

impl<T, U> TonicCodec for Codec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = Decoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::default()
    }

    fn decoder(&mut self) -> Self::Decoder {
        Decoder(PhantomData)
    }
}

/// Decodes `U`.
#[derive(Debug)]
pub struct Decoder<U>(PhantomData<U>);

impl<U: Message + Default> TonicDecoder for Decoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buf: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        U::decode(buf).map(Some).map_err(|fault| error::status(&refusal(&fault)))
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::default()
    }
}

/// The fault names the message and field of each level, innermost first, and never the bytes.
fn refusal(fault: &DecodeError) -> Refusal {
    let text = fault.to_string();
    let mut levels: Vec<&str> = text.split(": ").skip(1).collect();
    let cause = levels.pop().unwrap_or("the bytes are no message");
    let refusal = Refusal::new(Reason::FieldInvalid, format!("The request cannot be read: {cause}."));
    let mut path = Vec::new();
    let mut inner = "";
    for (message, field) in levels.iter().filter_map(|level| level.split_once('.')) {
        path.push(member(message, field, inner));
        inner = message;
    }
    path.reverse();
    if path.is_empty() { refusal } else { refusal.field(path.join(".")) }
}

/// Where a choice stands in the path, the fault names the choice; callers know its members.
fn member<'a>(message: &str, field: &'a str, inner: &str) -> &'a str {
    match (message, field, inner) {
        ("Content", "source", "Inline") => "inline",
        ("Content", "source", _) => "template",
        ("Audience", "target", "UserList") => "users",
        ("Audience", "target", _) => "expression",
        _ => field,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::v1;

    #[test]
    fn text_that_is_not_utf8_names_its_field() {
        let mut bytes = Vec::new();
        let inline = v1::Inline { title: "ab".to_owned(), ..Default::default() };
        let content = v1::Content { source: Some(v1::content::Source::Inline(inline)), ..Default::default() };
        v1::PublishRequest { content: Some(content), ..Default::default() }.encode(&mut bytes).unwrap();
        let place = bytes.len() - 1;
        bytes[place] = 0xff;
        let refusal = refusal(&v1::PublishRequest::decode(bytes.as_slice()).unwrap_err());
        assert_eq!(refusal.reason, Reason::FieldInvalid);
        assert_eq!(refusal.field.as_deref(), Some("content.inline.title"));
    }

    #[test]
    fn bytes_that_are_no_message_name_no_field() {
        let refusal = refusal(&v1::PublishRequest::decode(&b"\xff\xff"[..]).unwrap_err());
        assert_eq!((refusal.reason, refusal.field), (Reason::FieldInvalid, None));
    }
}
