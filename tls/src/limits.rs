//! All bounds of this crate in one place.

/// Plaintext of a record while a connection is fresh, in bytes. With header, content type and tag it leaves in one
/// TCP segment on an Ethernet path, IPv6 and timestamps included, so that a client can decrypt what it has got
/// without waiting for the next segment.
pub const RECORD_SMALL: usize = 1400;

/// Plaintext of a record on a connection that is under way, in bytes: the most that RFC 8446 5.1 allows.
pub const RECORD_LARGE: usize = 16 * 1024;

/// Bytes that are sent in small records before large ones: about three round trips of a new TCP connection.
pub const RECORD_RAMP: usize = 40 * 1024;

/// Pause after which the congestion window has shrunk and records are small again, in milliseconds.
pub const RECORD_REST_MS: u64 = 1000;

/// Ciphertext that a client may send before its handshake is done, in bytes. The largest honest part of it is a
/// chain of certificates; rustls takes no handshake message beyond 64 KiB.
pub const HANDSHAKE_BYTES_MAX: usize = 128 * 1024;

/// Bytes of a PEM text.
pub const PEM_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Certificates that a server sends.
pub const CHAIN_MAX: usize = 10;

/// Bytes of an OCSP response.
pub const STAPLE_BYTES_MAX: usize = 16 * 1024;

/// Certificates of one host.
pub const CERTIFICATES_PER_HOST_MAX: usize = 8;

/// Certificate authorities that client certificates may come from.
pub const ANCHORS_MAX: usize = 1024;

/// Bytes of authorities' names that a client is told; with more, it is told none and has to choose by itself.
pub const HINT_BYTES_MAX: usize = 8 * 1024;

/// Bytes of a session ticket. It holds the client's certificates; with more than this it is not given out.
pub const TICKET_BYTES_MAX: usize = 16 * 1024;

/// Ticket keys that are known at a time.
pub const TICKET_KEYS_MAX: usize = 8;

/// Tickets that a TLS 1.3 client is given without asking: one for now, one for a connection beside it.
pub const TICKETS_GIVEN: usize = 2;

/// Tickets that a client can ask for (RFC 9149).
pub const TICKETS_ASKED_MAX: usize = 4;

/// Days before its end from which on a certificate is warned about.
pub const EXPIRY_WARNING_DAYS: i64 = 14;

/// Bits of an RSA key that are enough.
pub const RSA_BITS_MIN: usize = 2048;

/// Alternative names that are read from a certificate.
pub(crate) const NAMES_MAX: usize = 1024;

/// Attributes of a distinguished name that are read.
pub(crate) const ATTRIBUTES_MAX: usize = 64;
