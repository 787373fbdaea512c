//! Where a service is, and how the connection to it is encrypted.

use std::path::Path;
use std::time::Duration;

use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

use super::client::Failure;

const CONNECT_DEADLINE: Duration = Duration::from_secs(5);

/// The files of an encrypted connection, in PEM.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Papers<'a> {
    /// Authorities to trust besides the system's.
    pub(super) authorities: Option<&'a Path>,
    /// The client's certificate and its private key.
    pub(super) identity: Option<(&'a Path, &'a Path)>,
}

/// The service at a URL: in clear text for `http`, encrypted and verified for `https`, and nothing else.
pub(super) fn endpoint(url: &str, papers: &Papers<'_>) -> Result<Endpoint, Failure> {
    let wrong = || Failure::usage(format!("{url:?} is not an address; write http://HOST:PORT or https://HOST:PORT"));
    let endpoint = Endpoint::from_shared(url.to_owned()).map_err(|_| wrong())?;
    let endpoint = endpoint.connect_timeout(CONNECT_DEADLINE).tcp_nodelay(true);
    match endpoint.uri().scheme_str() {
        Some("http") => Ok(endpoint),
        Some("https") => {
            let mut tls = ClientTlsConfig::new().with_native_roots();
            if let Some(path) = papers.authorities {
                tls = tls.ca_certificate(Certificate::from_pem(file(path)?));
            }
            if let Some((certificate, private_key)) = papers.identity {
                tls = tls.identity(Identity::from_pem(file(certificate)?, file(private_key)?));
            }
            let unusable = |fault| Failure::usage(format!("the connection cannot be encrypted: {fault}"));
            endpoint.tls_config(tls).map_err(unusable)
        }
        _ => Err(wrong()),
    }
}

fn file(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|fault| Failure::usage(format!("cannot read {}: {fault}", path.display())))
}
