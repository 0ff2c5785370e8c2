//! Servers on loopback whose certificates nobody knows who was not told of their authority.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, Stream};

use super::raw_server::RawServer;

/// A private authority, and the certificate of a server for `127.0.0.1` that it has signed.
pub struct Authority {
    /// Its own certificate, PEM.
    pub certificate: &'static str,
    server_certificate: &'static [u8],
    server_key: &'static [u8],
}

/// An authority.
pub const ONE: Authority = Authority {
    certificate: include_str!("../../tls/authority.pem"),
    server_certificate: include_bytes!("../../tls/server.pem"),
    server_key: include_bytes!("../../tls/server-key.pem"),
};

/// Another one.
pub const OTHER: Authority = Authority {
    certificate: include_str!("../../tls/other-authority.pem"),
    server_certificate: include_bytes!("../../tls/other-server.pem"),
    server_key: include_bytes!("../../tls/other-server-key.pem"),
};

/// One whose server has a certificate that ended in 2020.
pub const EXPIRED: Authority = Authority {
    certificate: include_str!("../../tls/expired-authority.pem"),
    server_certificate: include_bytes!("../../tls/expired-server.pem"),
    server_key: include_bytes!("../../tls/expired-server-key.pem"),
};

impl Authority {
    /// A server with a certificate of this authority. It gives each connection the same answer, and closes it.
    pub fn server(&self, answer: impl Into<Vec<u8>>) -> RawServer {
        self.serve(answer.into(), true)
    }

    /// The same, but a server that closes its connections without saying so in the encrypted stream, as one that is cut off.
    pub fn server_that_hangs_up(&self, answer: impl Into<Vec<u8>>) -> RawServer {
        self.serve(answer.into(), false)
    }

    fn serve(&self, answer: Vec<u8>, says_goodbye: bool) -> RawServer {
        self.speaking(&[], move |stream| {
            let mut request = [0; 4096];
            if matches!(stream.read(&mut request), Ok(1..)) {
                let _ = stream.write_all(&answer);
                if says_goodbye {
                    stream.conn.send_close_notify();
                }
                let _ = stream.flush();
            }
        })
    }

    /// A server that speaks one of these protocols (ALPN) on each connection by `serve`.
    pub fn speaking(
        &self,
        protocols: &[&str],
        mut serve: impl FnMut(&mut TlsStream<'_>) + Send + 'static,
    ) -> RawServer {
        let config = self.config(protocols);
        RawServer::start(move |_, connection| {
            let mut tls = ServerConnection::new(config.clone()).expect("a connection");
            serve(&mut Stream::new(&mut tls, &mut connection.stream));
        })
    }

    /// What a server of these protocols (ALPN) needs to show its certificate.
    pub fn config(&self, protocols: &[&str]) -> Arc<ServerConfig> {
        let certificate = CertificateDer::from_pem_slice(self.server_certificate).expect("a certificate");
        let key = PrivateKeyDer::from_pem_slice(self.server_key).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.expect("versions of TLS").with_no_client_auth();
        let mut config = config.with_single_cert(vec![certificate], key).expect("the key of it");
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

/// An encrypted connection from a client.
pub type TlsStream<'s> = Stream<'s, ServerConnection, TcpStream>;

/// The address of a path at such a server.
pub fn url(server: &RawServer, path: &str) -> String {
    server.url(path).replace("http://", "https://")
}
