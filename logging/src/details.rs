//! Facts that only templates ask for: each is looked for when a line with it is written.

use std::fmt;

use crate::record::Client;

/// A fact of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail<'n> {
    /// The first field of the request with this name, which is compared without case.
    Field(&'n [u8]),
    /// The first field of an answer with this name in lower case: see [`Format::answer_fields`](crate::Format::answer_fields).
    AnswerField(Answer, &'n [u8]),
    /// The path of the request, decoded and without dot segments.
    Path,
    /// The host that the request is for, without its port.
    Host,
    /// `http` or `https`.
    Scheme,
    /// The other end of the connection, which may be a proxy.
    Peer,
    /// The port there.
    PeerPort,
    /// The address that the connection came to.
    ServerAddress,
    /// The port that the connection came to.
    ServerPort,
    /// A number of the connection, within its shard.
    Connection,
    /// How many requests the connection has brought, this one included.
    ConnectionRequests,
    /// What becomes of the connection: `kept` when it may bring another request, `closed` when it is not to,
    /// `cut` when the answer could not be sent whole.
    ConnectionStatus,
    /// The shard.
    Shard,
    /// The key of the location.
    Location,
    /// Bytes of the answer, its head included.
    BytesSent,
    /// The ban that has refused the request, or that has come of it, in words.
    Ban,
    /// The limit that has acted, in words.
    Limit,
    /// For how many milliseconds limits have held back the request, its body and its answer.
    LimitDelay,
    /// The servers that the request was passed on to, one for each try; so are the other facts about them.
    UpstreamAddress,
    /// The status of their answers; 502 and 504 for those that gave none.
    UpstreamStatus,
    /// How long it took to have a connection, in seconds with milliseconds.
    UpstreamConnectTime,
    /// How long it took until the head of an answer had come.
    UpstreamHeaderTime,
    /// How long it took until all of it had come.
    UpstreamResponseTime,
    /// Bytes of content of the answers.
    UpstreamLength,
    /// The version of TLS.
    TlsVersion,
    /// The cipher suite.
    TlsCipher,
    /// The group of the key exchange.
    TlsGroup,
    /// The name that the client asked for in its handshake.
    TlsName,
    /// The protocol that was agreed on in the handshake.
    TlsProtocol,
    /// Whether a former session was taken up: `r`, or `.`.
    TlsReused,
    /// What became of the client's certificate: `NONE`, `SUCCESS` or `FAILED`.
    CertificateVerdict,
    /// Its holder, as RFC 4514 writes it.
    CertificateSubject,
    /// Who signed it, as RFC 4514 writes it.
    CertificateIssuer,
    /// Its serial number, in hexadecimal digits.
    CertificateSerial,
    /// The SHA-256 of it, in hexadecimal digits.
    CertificateFingerprint,
    /// The first second of its life, and the last one: a [`Value::Second`].
    CertificateBegin,
    /// See [`Detail::CertificateBegin`].
    CertificateEnd,
    /// How many whole days are left of it.
    CertificateDays,
}

/// Whose answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// That the client was sent.
    Sent,
    /// That an upstream server has given, the last of several.
    Upstream,
}

/// What a fact is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'v> {
    /// Any bytes. Empty ones mean "not known" or "not sent".
    Bytes(&'v [u8]),
    /// A number.
    Number(u64),
    /// A time, in seconds since the Unix epoch; one before is written as the epoch.
    Second(u64),
    /// An address.
    Address(Client),
}

/// Who knows the facts of one exchange.
pub trait Details {
    /// Tells a fact, once, if it is known.
    fn tell(&self, detail: Detail<'_>, hear: &mut dyn FnMut(Value<'_>));
}

impl fmt::Debug for dyn Details + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("details")
    }
}

/// Nothing is known.
pub(crate) struct Nothing;

impl Details for Nothing {
    fn tell(&self, _: Detail<'_>, _: &mut dyn FnMut(Value<'_>)) {}
}
