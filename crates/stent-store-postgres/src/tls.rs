//! Encrypted connections, by rustls.
//!
//! **Invariant:** what `sslmode` asks for never becomes less: with `require` and above nothing is sent unencrypted, with `verify-ca` and
//! `verify-full` nothing is sent to a server whose certificate was not checked.

use std::{path::Path, sync::Arc};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};
use tokio_postgres::config::SslMode as DriverMode;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{
    OpenError, SslMode,
    options::{PostgresOptions, TlsFiles},
};

/// How to encrypt connections with these options; and tells the driver when.
pub(crate) fn connector(
    options: &PostgresOptions,
    driver: &mut tokio_postgres::Config,
) -> Result<MakeRustlsConnect, OpenError> {
    driver.ssl_mode(match options.ssl_mode {
        SslMode::Disable => DriverMode::Disable,
        SslMode::Prefer => DriverMode::Prefer,
        SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => DriverMode::Require,
    });
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(tls)?;
    let has_root = options.tls_files.root.is_some();
    let checks = match options.ssl_mode {
        SslMode::VerifyFull => {
            Checks::AuthorityAndName(authorities(&options.tls_files, &provider)?)
        }
        SslMode::VerifyCa => Checks::Authority(authorities(&options.tls_files, &provider)?),
        SslMode::Require if has_root => {
            Checks::Authority(authorities(&options.tls_files, &provider)?)
        }
        SslMode::Disable | SslMode::Prefer | SslMode::Require => Checks::Nothing,
    };
    let builder = builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier { checks, provider }));
    let config = match own_certificate(&options.tls_files)? {
        Some((certificates, key)) => builder
            .with_client_auth_cert(certificates, key)
            .map_err(tls)?,
        None => builder.with_no_client_auth(),
    };
    Ok(MakeRustlsConnect::new(config))
}

fn tls(error: impl std::fmt::Display) -> OpenError {
    OpenError::Tls {
        what: error.to_string(),
    }
}

/// Who vouches for servers: those of the file, or those that the machine trusts.
fn authorities(
    files: &TlsFiles,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, OpenError> {
    let mut roots = RootCertStore::empty();
    match &files.root {
        Some(path) => {
            for certificate in certificates("sslrootcert", path)? {
                let added = roots.add(certificate);
                added.map_err(|error| file("sslrootcert", path, error))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err(tls(
                    "this machine trusts no certificate authority; name one with `sslrootcert`",
                ));
            }
        }
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(tls)
}

/// The certificate that this client shows, with its key.
fn own_certificate(
    files: &TlsFiles,
) -> Result<Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>, OpenError> {
    match (&files.certificate, &files.key) {
        (None, None) => Ok(None),
        (Some(certificate), Some(path)) => {
            let key =
                PrivateKeyDer::from_pem_file(path).map_err(|error| file("sslkey", path, error))?;
            Ok(Some((certificates("sslcert", certificate)?, key)))
        }
        (Some(_), None) => Err(tls("`sslcert` is given without `sslkey`")),
        (None, Some(_)) => Err(tls("`sslkey` is given without `sslcert`")),
    }
}

fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, OpenError> {
    let read: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<_, _>>)
        .map_err(|error| file(key, path, error))?;
    if read.is_empty() {
        return Err(file(key, path, "it holds no certificate in PEM form"));
    }
    Ok(read)
}

fn file(key: &'static str, path: &Path, why: impl std::fmt::Display) -> OpenError {
    OpenError::TlsFile {
        key,
        path: path.to_owned(),
        why: why.to_string(),
    }
}

/// What is checked of the certificate that a server shows. That the server holds its key is checked always.
#[derive(Debug)]
enum Checks {
    Nothing,
    Authority(Arc<WebPkiServerVerifier>),
    AuthorityAndName(Arc<WebPkiServerVerifier>),
}

#[derive(Debug)]
struct Verifier {
    checks: Checks,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let (checks, name_counts) = match &self.checks {
            Checks::Nothing => return Ok(ServerCertVerified::assertion()),
            Checks::Authority(checks) => (checks, false),
            Checks::AuthorityAndName(checks) => (checks, true),
        };
        let verified =
            checks.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            // The name is checked last: all else was found good.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !name_counts => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
