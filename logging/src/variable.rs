//! The variables of templates, under the names that nginx has for them.

use crate::details::{Answer, Detail};
use crate::format::room;
use crate::moment::{Directive, Moment};

/// What stands in a line in place of a `$variable`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Variable {
    RemoteAddress,
    RemoteUser,
    TimeLocal,
    TimeIso8601,
    Milliseconds,
    /// The time when the request began, in the same form.
    BeginMilliseconds,
    /// One part of a time that the operator has laid out.
    Time(Moment, Directive),
    /// Method, target and protocol.
    Request,
    Method,
    Target,
    Query,
    /// `?`, if there is a query.
    QuestionMark,
    Protocol,
    /// `on` over TLS.
    Https,
    /// The name of the virtual host.
    ServerName,
    Status,
    BodyBytesSent,
    RequestLength,
    /// Seconds, with milliseconds.
    RequestTime,
    /// Microseconds.
    RequestMicroseconds,
    /// `OK`, if the whole answer was sent.
    Completion,
    /// How many times as large the body was before it was compressed.
    GzipRatio,
    RequestId,
    ProcessId,
    HostName,
    Detail(Detail<'static>),
    /// A field of the request, by its name in lower case.
    Field(Box<[u8]>),
    /// A field of an answer, by its name in lower case.
    AnswerField(Answer, Box<[u8]>),
    Cookie(Box<[u8]>),
    Argument(Box<[u8]>),
}

/// Every variable with a name of its own.
const NAMED: &[(&str, Variable)] = &[
    ("remote_addr", Variable::RemoteAddress),
    ("remote_port", Variable::Detail(Detail::PeerPort)),
    ("realip_remote_addr", Variable::Detail(Detail::Peer)),
    ("remote_user", Variable::RemoteUser),
    ("time_local", Variable::TimeLocal),
    ("time_iso8601", Variable::TimeIso8601),
    ("msec", Variable::Milliseconds),
    ("begin_msec", Variable::BeginMilliseconds),
    ("request", Variable::Request),
    ("request_method", Variable::Method),
    ("request_uri", Variable::Target),
    ("uri", Variable::Detail(Detail::Path)),
    ("document_uri", Variable::Detail(Detail::Path)),
    ("args", Variable::Query),
    ("query_string", Variable::Query),
    ("is_args", Variable::QuestionMark),
    ("server_protocol", Variable::Protocol),
    ("scheme", Variable::Detail(Detail::Scheme)),
    ("https", Variable::Https),
    ("host", Variable::Detail(Detail::Host)),
    ("server_name", Variable::ServerName),
    ("server_addr", Variable::Detail(Detail::ServerAddress)),
    ("server_port", Variable::Detail(Detail::ServerPort)),
    ("status", Variable::Status),
    ("bytes_sent", Variable::Detail(Detail::BytesSent)),
    ("body_bytes_sent", Variable::BodyBytesSent),
    ("request_length", Variable::RequestLength),
    ("gzip_ratio", Variable::GzipRatio),
    ("request_time", Variable::RequestTime),
    ("request_time_us", Variable::RequestMicroseconds),
    ("request_completion", Variable::Completion),
    ("ban", Variable::Detail(Detail::Ban)),
    ("limit", Variable::Detail(Detail::Limit)),
    ("limit_delay_ms", Variable::Detail(Detail::LimitDelay)),
    ("content_length", Variable::Detail(Detail::Field(b"content-length"))),
    ("content_type", Variable::Detail(Detail::Field(b"content-type"))),
    ("connection", Variable::Detail(Detail::Connection)),
    ("connection_requests", Variable::Detail(Detail::ConnectionRequests)),
    ("connection_status", Variable::Detail(Detail::ConnectionStatus)),
    ("pid", Variable::ProcessId),
    ("hostname", Variable::HostName),
    ("shard", Variable::Detail(Detail::Shard)),
    ("location", Variable::Detail(Detail::Location)),
    ("request_id", Variable::RequestId),
    ("upstream_addr", Variable::Detail(Detail::UpstreamAddress)),
    ("upstream_status", Variable::Detail(Detail::UpstreamStatus)),
    ("upstream_connect_time", Variable::Detail(Detail::UpstreamConnectTime)),
    ("upstream_header_time", Variable::Detail(Detail::UpstreamHeaderTime)),
    ("upstream_response_time", Variable::Detail(Detail::UpstreamResponseTime)),
    ("upstream_response_length", Variable::Detail(Detail::UpstreamLength)),
    ("ssl_protocol", Variable::Detail(Detail::TlsVersion)),
    ("ssl_cipher", Variable::Detail(Detail::TlsCipher)),
    ("ssl_curve", Variable::Detail(Detail::TlsGroup)),
    ("ssl_server_name", Variable::Detail(Detail::TlsName)),
    ("ssl_alpn_protocol", Variable::Detail(Detail::TlsProtocol)),
    ("ssl_session_reused", Variable::Detail(Detail::TlsReused)),
    ("ssl_client_verify", Variable::Detail(Detail::CertificateVerdict)),
    ("ssl_client_s_dn", Variable::Detail(Detail::CertificateSubject)),
    ("ssl_client_i_dn", Variable::Detail(Detail::CertificateIssuer)),
    ("ssl_client_serial", Variable::Detail(Detail::CertificateSerial)),
    ("ssl_client_fingerprint", Variable::Detail(Detail::CertificateFingerprint)),
    ("ssl_client_v_start", Variable::Detail(Detail::CertificateBegin)),
    ("ssl_client_v_end", Variable::Detail(Detail::CertificateEnd)),
    ("ssl_client_v_remain", Variable::Detail(Detail::CertificateDays)),
];

/// A variable by what follows the name of its family.
type Member = fn(&str) -> Variable;

/// Variables with a part that the writer of the template chooses.
const FAMILIES: &[(&str, Member)] = &[
    ("http_", |rest| Variable::Field(field_name(rest))),
    ("sent_http_", |rest| Variable::AnswerField(Answer::Sent, field_name(rest))),
    ("upstream_http_", |rest| Variable::AnswerField(Answer::Upstream, field_name(rest))),
    ("cookie_", |rest| Variable::Cookie(rest.as_bytes().into())),
    ("arg_", |rest| Variable::Argument(rest.as_bytes().into())),
];

/// The name of a field, from the end of the name of a variable.
fn field_name(rest: &str) -> Box<[u8]> {
    rest.replace('_', "-").to_ascii_lowercase().into_bytes().into()
}

impl Variable {
    /// The one with this name, without its `$`.
    pub(crate) fn named(name: &str) -> Option<Variable> {
        if let Some((_, variable)) = NAMED.iter().find(|(known, _)| *known == name) {
            return Some(variable.clone());
        }
        let family = |(prefix, make): &(&str, Member)| {
            name.strip_prefix(prefix).filter(|rest| !rest.is_empty()).map(make)
        };
        FAMILIES.iter().find_map(family)
    }

    /// Most bytes of the escaped value, if clients have a say in it; others are as long as they are.
    pub(crate) fn room(&self) -> usize {
        match self {
            Variable::RemoteUser => room::USER,
            Variable::Method => room::METHOD,
            Variable::Target | Variable::Query | Variable::Detail(Detail::Path) => room::TARGET,
            Variable::Request => room::METHOD + room::TARGET + room::PROTOCOL,
            Variable::Protocol => room::PROTOCOL,
            Variable::Detail(Detail::Host) | Variable::ServerName => room::HOST,
            Variable::Field(name) if **name == *b"referer" => room::REFERER,
            _ => room::FIELD,
        }
    }
}

/// The names of all variables, without `$`; those of a family end in an underscore.
pub fn variables() -> impl Iterator<Item = &'static str> {
    NAMED.iter().map(|(name, _)| *name).chain(FAMILIES.iter().map(|(prefix, _)| *prefix))
}
