//! Keys of `tls` and its certificates, and of `auth`.

use std::time::Duration;

use super::super::sections::CERTIFICATE;
use super::{AnyKey, HOUR, Key};
use crate::kind::{Choice, FilePath, Flag, List, MapOf, Named, OrOff, Span, Text};
use crate::model::{ClientCertificates, Requirement, Satisfy, TlsVersion};
use crate::syntax;

keys! {
    /// Keys of `/hosts/NAME/tls`.
    tls {
        CERTIFICATES: Named = "certificates",
            Named { section: &CERTIFICATE, noun: "an object with an object for each certificate" },
            default None, example r#"{"own": {"chain": "tls/chain.pem", "key": "tls/key.pem"}}"#,
            "What the host proves itself by; at least one.";
        MINIMUM: Choice<TlsVersion> = "minimum",
            Choice { words: &[("1.2", TlsVersion::Tls12), ("1.3", TlsVersion::Tls13)] },
            default Some(r#""1.2""#), example r#""1.3""#,
            "The oldest version of TLS.";
        REDIRECT: Flag = "redirect", Flag,
            default Some("false"), example "true",
            "Whether requests that come in without TLS are sent to the same place with it (308).";
        HSTS: OrOff<Span> = "hsts",
            OrOff(Span { min: Duration::from_secs(1), max: Duration::from_secs(10 * 365 * 24 * HOUR) }),
            default Some(r#""off""#), example r#""365d""#,
            "For how long browsers are to come with TLS only (Strict-Transport-Security).";
        CLIENTS: Choice<ClientCertificates> = "clients",
            Choice { words: &[
                ("off", ClientCertificates::Off), ("optional", ClientCertificates::Optional),
                ("required", ClientCertificates::Required), ("asked", ClientCertificates::Asked),
            ] },
            default Some(r#""off""#), example r#""required""#,
            "Whether clients are asked for a certificate: \"optional\" takes those that hold and clients without, \
             \"required\" ends every other handshake, \"asked\" lets the handshake go on and answers with 403.";
        AUTHORITIES: FilePath = "authorities", FilePath,
            default None, example r#""tls/clients-ca.pem""#,
            "Certificates of those who vouch for clients, in PEM.";
        REVOKED: List<FilePath> = "revoked", List { item: FilePath, min: 0 },
            default Some("[]"), example r#"["tls/clients.crl"]"#,
            "Lists of certificates that these have called back (CRL), in PEM or DER. With one, there has to be one \
             for each of the authorities.";
    }
}

keys! {
    /// Keys of `/hosts/NAME/tls/certificates/LABEL`.
    certificate {
        CHAIN: FilePath = "chain", FilePath,
            default None, example r#""tls/fullchain.pem""#,
            "The certificate, and behind it those that lead to its authority, in PEM.";
        KEY: FilePath = "key", FilePath,
            default None, example r#""tls/private.pem""#,
            "Its private key, in PEM without a passphrase.";
        STAPLE: FilePath = "staple", FilePath,
            default None, example r#""tls/ocsp.der""#,
            "An OCSP response about it, in DER.";
    }
}

keys! {
    /// Keys of `auth`.
    auth {
        REALM: Text<String> = "realm",
            Text { noun: "a text", pattern: Some("^[ !#-\\[\\]-~]+$"), parse: syntax::realm },
            default None, example r#""Members only""#,
            "What the browser shows when it asks for the password.";
        HTPASSWD: FilePath = "htpasswd", FilePath,
            default None, example r#""auth/members.htpasswd""#,
            "File of users with the hashes of their passwords, as htpasswd and `kimura passwd` write it. It is opened by \
             the process with the rights, so that root alone needs to be able to read it.";
        GROUPS: FilePath = "groups", FilePath,
            default None, example r#""auth/groups""#,
            "File of groups: a line for each, such as \"staff: anna otto\".";
        USERS: MapOf<String, Text<String>> = "users",
            MapOf {
                key: Text { noun: "the name of a user", pattern: Some("^[^:]+$"), parse: syntax::login_name },
                value: Text { noun: "the hash of a password", pattern: Some("^([$]|[{]SHA[}])"), parse: syntax::hash },
            },
            default None, example r#"{"anna": "$2y$11$hash"}"#,
            "Users with the hashes of their passwords: `kimura passwd` makes them.";
        PAM: Text<String> = "pam",
            Text { noun: "the name of a PAM service", pattern: Some("^[a-z0-9_-][a-z0-9._-]*$"), parse: syntax::pam_service },
            default None, example r#""kimura""#,
            "Service of PAM that checks password and account: a file of /etc/pam.d. libpam is opened when it is needed, and a \
             process for each login with the rights of who started the server asks it, at most 8 of them for a service at a \
             time. A login that takes longer than 10 s is given up with 503.";
        SATISFY: Choice<Satisfy> = "satisfy",
            Choice { words: &[("any", Satisfy::Any), ("all", Satisfy::All)] },
            default Some(r#""any""#), example r#""all""#,
            "Whether one of htpasswd, users and pam has to know the password, or all that are there.";
        REQUIRE: List<Text<Requirement>> = "require",
            List {
                item: Text {
                    noun: "\"user:NAME\" or \"group:NAME\"", pattern: Some("^(user|group):"), parse: syntax::requirement,
                },
                min: 0,
            },
            default Some("[]"), example r#"["user:anna", "group:staff"]"#,
            "Who may enter: one of these. Others whose password is right are answered with 403. Without it, everybody may.";
        EXEMPT: List<Text<String>> = "exempt",
            List { item: Text { noun: "an address or a network", pattern: None, parse: syntax::any }, min: 0 },
            default Some("[]"), example r#"["192.0.2.0/24", "2001:db8::/32"]"#,
            "Addresses of clients that need no login.";
        REMEMBER: Span = "remember", Span { min: Duration::ZERO, max: Duration::from_secs(300) },
            default Some(r#""10s""#), example r#""1m""#,
            "How long each shard remembers that a password was right, so that it is not hashed for every request; 0 \
             remembers none. What is remembered ends with every reload.";
    }
}
