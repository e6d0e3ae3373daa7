//! The certificate and its key.

use super::ServeError;
use super::validity::validity;
use crate::config::Tls;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;
use std::sync::Arc;
use veilray_base::clock;

/// Reads both files; they must belong together.
///
/// # Errors
/// [`ServeError::Tls`].
pub(crate) fn load(tls: &Tls) -> Result<Arc<ServerConfig>, ServeError> {
    read(tls).map(|(config, _)| config)
}

/// As [`load`], and the whole days that are left of the certificate; none where that cannot be read.
///
/// # Errors
/// [`ServeError::Tls`], also for one whose time is over or has not begun.
pub(super) fn read(tls: &Tls) -> Result<(Arc<ServerConfig>, Option<i64>), ServeError> {
    let failed = |path: &Path, why: &dyn std::fmt::Display| ServeError::Tls { why: format!("{}: {why}", path.display()) };
    let certificates: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(&tls.cert).and_then(Iterator::collect).map_err(|e| failed(&tls.cert, &e));
    let certificates = certificates?;
    if certificates.is_empty() {
        return Err(failed(&tls.cert, &"no certificate is in it"));
    }
    let now = i64::try_from(clock::now()).unwrap_or(i64::MAX);
    let valid = certificates.first().and_then(|certificate| validity(certificate));
    let days = match valid {
        Some((_, last)) if now > last => {
            let why = format!("it ended {} days ago; renew it", (now - last) / 86_400);
            return Err(failed(&tls.cert, &why));
        }
        Some((first, _)) if now < first => {
            let why = format!("it begins in {} days; set this machine's clock, or use another", (first - now) / 86_400 + 1);
            return Err(failed(&tls.cert, &why));
        }
        valid => valid.map(|(_, last)| (last - now) / 86_400),
    };
    let key = PrivateKeyDer::from_pem_file(&tls.key).map_err(|e| failed(&tls.key, &e))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|e| ServeError::Tls { why: e.to_string() })?.with_no_client_auth();
    let mut config = builder.with_single_cert(certificates, key).map_err(|e| failed(&tls.cert, &e))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((Arc::new(config), days))
}
