//! Who calls: the bearer token of a call's metadata.

use std::str::FromStr;
use std::sync::Arc;

use http::HeaderMap;
use tonic::metadata::MetadataMap;

use super::Services;
use crate::access::{Caller, Origin, token};
use crate::domain::language::Language;
use crate::domain::refusal::Refusal;
use crate::inbox::Reader;

const HEADER: &str = "authorization";

/// The metadata key under which the edge itself says from which network address a call came.
pub const CLIENT_ADDRESS: &str = "campanile-client-address";

/// The metadata key under which the edge itself says with which client certificate a call came.
pub const CLIENT_CERTIFICATE: &str = "campanile-client-certificate";

/// From where a call came, as far as that is known. Behind a proxy it is the proxy's address and certificate.
pub fn origin(metadata: &MetadataMap) -> Origin {
    Origin { address: said(metadata, CLIENT_ADDRESS), certificate: said(metadata, CLIENT_CERTIFICATE) }
}

fn said<T: FromStr>(metadata: &MetadataMap, key: &str) -> Option<T> {
    metadata.get(key)?.to_str().ok()?.parse().ok()
}

/// The bearer token of a call.
///
/// # Errors
/// `TOKEN_MISSING`; `TOKEN_INVALID` if there are several or it is no text.
pub fn bearer(metadata: &MetadataMap) -> Result<&str, Refusal> {
    let mut headers = metadata.get_all(HEADER).iter();
    let header = headers.next();
    if headers.next().is_some() {
        return Err(token::invalid());
    }
    let text = header.map(|value| value.to_str().map_err(|_| token::invalid())).transpose()?;
    token::bearer(text)
}

/// The language in which the caller wants to be told.
pub fn language(headers: &HeaderMap) -> Language {
    let header = headers.get("accept-language").and_then(|value| value.to_str().ok());
    header.map_or_else(Language::default, Language::preferred)
}

impl Services {
    /// The application or person who calls. A key that another node may have made a moment ago is looked for
    /// before it is refused.
    pub(super) async fn caller(&self, metadata: &MetadataMap) -> Result<Caller, Refusal> {
        let token = bearer(metadata)?;
        let caller = match self.keyring.authenticate(token, self.clock.now()) {
            Err(_) if self.keyring.may_be_new(token, self.clock.now()) => {
                self.follower.look().await;
                self.keyring.authenticate(token, self.clock.now())
            }
            answer => answer,
        }?;
        self.keyring.admit(&caller, origin(metadata), self.clock.now())?;
        Ok(self.in_office(caller))
    }

    fn in_office(&self, caller: Caller) -> Caller {
        let roles = self.roles.of(caller.principal);
        caller.with_roles(roles)
    }

    /// The caller of the next item of a stream, as of this moment. The secret is compared again only when the
    /// key is another than the last time.
    pub(super) fn again(&self, caller: &Caller, token: &str, origin: Origin) -> Result<Caller, Refusal> {
        let now = self.clock.now();
        let same = self.keyring.get(caller.key.id).is_some_and(|key| Arc::ptr_eq(&key, &caller.key));
        if same && caller.key.expire_at.is_none_or(|end| now < end) {
            return Ok(caller.clone());
        }
        let caller = self.keyring.authenticate(token, now)?;
        self.keyring.admit(&caller, origin, now)?;
        Ok(self.in_office(caller))
    }

    /// The person whose inbox a user token opens.
    pub(super) fn reader(&self, metadata: &MetadataMap) -> Result<Reader, Refusal> {
        self.inboxes.verify(bearer(metadata)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::refusal::Reason;

    fn metadata(values: &[&str]) -> MetadataMap {
        let mut map = MetadataMap::new();
        for value in values {
            map.append(HEADER, value.parse().unwrap());
        }
        map
    }

    #[test]
    fn a_call_has_one_token() {
        assert_eq!(bearer(&metadata(&["Bearer cpl_live_x"])), Ok("cpl_live_x"));
        assert_eq!(bearer(&metadata(&[])).unwrap_err().reason, Reason::TokenMissing);
        assert_eq!(bearer(&metadata(&["Bearer a", "Bearer b"])).unwrap_err().reason, Reason::TokenInvalid);
    }
}
