//! The certificate and its key.

use super::ServeError;
use crate::config::Tls;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;
use std::sync::Arc;

/// Reads both files; they must belong together.
///
/// # Errors
/// [`ServeError::Tls`].
pub(crate) fn load(tls: &Tls) -> Result<Arc<ServerConfig>, ServeError> {
    let failed = |path: &Path, why: &dyn std::fmt::Display| ServeError::Tls { why: format!("{}: {why}", path.display()) };
    let certificates: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(&tls.cert).and_then(Iterator::collect).map_err(|e| failed(&tls.cert, &e));
    let certificates = certificates?;
    if certificates.is_empty() {
        return Err(failed(&tls.cert, &"no certificate is in it"));
    }
    let key = PrivateKeyDer::from_pem_file(&tls.key).map_err(|e| failed(&tls.key, &e))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|e| ServeError::Tls { why: e.to_string() })?.with_no_client_auth();
    let mut config = builder.with_single_cert(certificates, key).map_err(|e| failed(&tls.cert, &e))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
