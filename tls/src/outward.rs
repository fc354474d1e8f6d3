//! Connections of ours to servers that requests are passed on to.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error as Rustls, SignatureScheme};

use crate::chain::Credential;
use crate::client::{Client, ServerTrust, flush};
use crate::clock::{Adapter, Clock};
use crate::error::Error;
use crate::provider;

/// Who a server has to be.
#[derive(Clone, Debug)]
pub enum Trust {
    /// One for which these vouch, under the name that is asked for.
    In(ServerTrust),
    /// Anybody: what is sent can be read and altered by whoever stands between.
    Anybody,
}

/// How servers are spoken to; shared by all connections to them, which take former sessions up again.
#[derive(Clone)]
pub struct Outward {
    config: Arc<ClientConfig>,
}

impl Outward {
    /// With what is trusted, and what is shown to servers that ask for a certificate.
    ///
    /// # Errors
    /// [`Error::Settings`].
    pub fn new(
        trust: &Trust,
        credential: Option<&Credential>,
        clock: Arc<dyn Clock>,
    ) -> Result<Outward, Error> {
        let provider = provider::provider();
        let verifier: Arc<dyn ServerCertVerifier> = match trust {
            Trust::In(trust) => trust.verifier(),
            Trust::Anybody => Arc::new(Credulous(Arc::clone(&provider))),
        };
        let builder = ClientConfig::builder_with_details(provider, Arc::new(Adapter(clock)))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::Settings { reason: error.to_string() })?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let config = match credential {
            Some(credential) => {
                let single = SingleCertAndKey::from(credential.certified().clone());
                builder.with_client_cert_resolver(Arc::new(single))
            }
            None => builder.with_no_client_auth(),
        };
        Ok(Outward { config: Arc::new(config) })
    }

    /// A connection to the server of this name: a host's, or an IP address without brackets. `out` gets what is to be
    /// sent first.
    ///
    /// # Errors
    /// [`Error::BadName`], [`Error::Settings`].
    pub fn connect(&self, name: &str, out: &mut Vec<u8>) -> Result<Client, Error> {
        let server =
            ServerName::try_from(name.to_owned()).map_err(|_| Error::BadName { name: name.to_owned() })?;
        let mut connection = ClientConnection::new(Arc::clone(&self.config), server)
            .map_err(|error| Error::Settings { reason: error.to_string() })?;
        connection.set_buffer_limit(None);
        flush(&mut connection, out);
        Ok(Client::over(connection))
    }
}

impl fmt::Debug for Outward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outward").finish_non_exhaustive()
    }
}

/// Takes every certificate, and holds the server to it: whoever has sent it has its key.
#[derive(Debug)]
struct Credulous(Arc<CryptoProvider>);

impl ServerCertVerifier for Credulous {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Rustls> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Rustls> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Rustls> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
