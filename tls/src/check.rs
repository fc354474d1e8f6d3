//! What will go wrong with certificates, found before clients find it.

use std::fmt;

use crate::certificate::{Certificate, KeyKind};
use crate::client_auth::ClientTrust;
use crate::hosts::Host;
use crate::limits::{EXPIRY_WARNING_DAYS, RSA_BITS_MIN};
use crate::time::{DAY, date};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It works, for now or for most.
    Warning,
    /// Clients will refuse the host, or be refused.
    Error,
}

/// Something that is wrong with a certificate. The message is `cause: cure`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A certificate's time is over.
    Expired {
        /// Its holder.
        subject: String,
        /// Its last second.
        not_after: i64,
    },
    /// A certificate's time will soon be over.
    ExpiresSoon {
        /// Its holder.
        subject: String,
        /// Whole days that are left.
        days: i64,
    },
    /// A certificate's time has not come.
    NotYetValid {
        /// Its holder.
        subject: String,
        /// Its first second.
        not_before: i64,
    },
    /// The certificates belong together, but their order is wrong.
    ChainOrder {
        /// The one that is not followed by its issuer.
        subject: String,
        /// Its issuer, which stands elsewhere.
        issuer: String,
    },
    /// A certificate is followed by one that is not its issuer's.
    ChainBroken {
        /// The one that is not followed by its issuer.
        subject: String,
        /// Its issuer.
        issuer: String,
        /// What stands there instead.
        found: String,
    },
    /// The chain ends with the authority's own certificate, which clients must have anyway.
    RootIncluded {
        /// The authority.
        subject: String,
    },
    /// No certificate of the host has one of its names.
    NameNotCovered {
        /// The name.
        name: String,
        /// A certificate that lacks it.
        subject: String,
    },
    /// A key is too short.
    WeakKey {
        /// Its holder.
        subject: String,
        /// Its bits.
        bits: usize,
    },
    /// A key is of a kind that few clients know, or that this server cannot use.
    UnusualKey {
        /// Its holder.
        subject: String,
    },
    /// A signature is over SHA-1 or MD5.
    WeakSignature {
        /// The holder of the certificate that is signed so.
        subject: String,
    },
    /// The host's own certificate is one of an authority.
    LeafIsAuthority {
        /// Its holder.
        subject: String,
    },
    /// A certificate between the host's and the root is not one of an authority.
    NotAnAuthority {
        /// Its holder.
        subject: String,
    },
    /// An OCSP response is out of date: some clients refuse the host because of it.
    StapleExpired {
        /// Its last second.
        next_update: i64,
    },
    /// A list of revoked clients is out of date: none of its authority's clients is let in.
    ListExpired {
        /// Its last second.
        next_update: i64,
    },
}

/// All that is wrong with the certificates of a host, and with those that it judges clients by, at a time in seconds
/// since 1970.
pub fn problems(host: &Host, unix_seconds: i64) -> Vec<Problem> {
    let mut found = Vec::new();
    for credential in &host.credentials {
        of_chain(credential.facts(), unix_seconds, &mut found);
        if let Some(next_update) = credential.staple_end().filter(|&end| end < unix_seconds) {
            found.push(Problem::StapleExpired { next_update });
        }
    }
    let covered = |name: &&String| host.credentials.iter().any(|credential| credential.covers(name));
    let subject = host.credentials.first().and_then(|credential| credential.facts().first()).map(title);
    for name in host.names.iter().filter(|name| !covered(name)) {
        found.push(Problem::NameNotCovered {
            name: name.clone(),
            subject: subject.clone().unwrap_or_default(),
        });
    }
    if let Some(trust) = host.client_auth.trust() {
        of_trust(trust, unix_seconds, &mut found);
    }
    found
}

fn of_chain(chain: &[Certificate], now: i64, found: &mut Vec<Problem>) {
    for (index, certificate) in chain.iter().enumerate() {
        of_time(certificate, now, found);
        of_strength(certificate, found);
        if index == 0 && certificate.authority {
            found.push(Problem::LeafIsAuthority { subject: title(certificate) });
        }
        if index != 0 && !certificate.authority {
            found.push(Problem::NotAnAuthority { subject: title(certificate) });
        }
        if let Some(next) = chain.get(index + 1) {
            found.extend(link(certificate, next, chain));
        } else if index != 0 && certificate.is_self_issued() {
            found.push(Problem::RootIncluded { subject: title(certificate) });
        }
    }
}

fn of_time(certificate: &Certificate, now: i64, found: &mut Vec<Problem>) {
    let Certificate { not_before, not_after, .. } = *certificate;
    let subject = title(certificate);
    if now < not_before {
        found.push(Problem::NotYetValid { subject, not_before });
    } else if not_after < now {
        found.push(Problem::Expired { subject, not_after });
    } else if (not_after - now) / DAY < EXPIRY_WARNING_DAYS {
        found.push(Problem::ExpiresSoon { subject, days: (not_after - now) / DAY });
    }
}

fn of_strength(certificate: &Certificate, found: &mut Vec<Problem>) {
    match certificate.key {
        KeyKind::Rsa { bits } if bits < RSA_BITS_MIN => {
            found.push(Problem::WeakKey { subject: title(certificate), bits });
        }
        KeyKind::Other => found.push(Problem::UnusualKey { subject: title(certificate) }),
        KeyKind::Rsa { .. } | KeyKind::P256 | KeyKind::P384 | KeyKind::P521 | KeyKind::Ed25519 => {}
    }
    // Nobody looks at the signature of a root: it is trusted for being there.
    if certificate.weak_signature && !certificate.is_self_issued() {
        found.push(Problem::WeakSignature { subject: title(certificate) });
    }
}

fn link(certificate: &Certificate, next: &Certificate, chain: &[Certificate]) -> Option<Problem> {
    if certificate.issuer_der == next.subject_der {
        return None;
    }
    let (subject, issuer) = (title(certificate), certificate.issuer.clone());
    if chain.iter().any(|other| other.subject_der == certificate.issuer_der) {
        Some(Problem::ChainOrder { subject, issuer })
    } else {
        Some(Problem::ChainBroken { subject, issuer, found: title(next) })
    }
}

fn of_trust(trust: &ClientTrust, now: i64, found: &mut Vec<Problem>) {
    for anchor in trust.anchors() {
        of_time(anchor, now, found);
        of_strength(anchor, found);
    }
    if let Some(next_update) = trust.lists_end().filter(|&end| end < now) {
        found.push(Problem::ListExpired { next_update });
    }
}

/// What a certificate is called in messages: its subject, or its first name when that is empty.
fn title(certificate: &Certificate) -> String {
    use crate::certificate::AlternativeName::{Address, Dns, Email, Uri};

    match (certificate.subject.as_str(), certificate.names.first()) {
        ("", Some(Dns(name) | Email(name) | Uri(name))) => name.clone(),
        ("", Some(Address(address))) => address.to_string(),
        ("", None) => format!("serial number {}", certificate.serial),
        (subject, _) => subject.to_owned(),
    }
}

impl Problem {
    /// How bad it is.
    pub fn severity(&self) -> Severity {
        match self {
            Problem::Expired { .. }
            | Problem::NotYetValid { .. }
            | Problem::ChainOrder { .. }
            | Problem::ChainBroken { .. }
            | Problem::NameNotCovered { .. }
            | Problem::WeakKey { .. }
            | Problem::NotAnAuthority { .. }
            | Problem::StapleExpired { .. }
            | Problem::ListExpired { .. } => Severity::Error,
            Problem::ExpiresSoon { .. }
            | Problem::RootIncluded { .. }
            | Problem::UnusualKey { .. }
            | Problem::WeakSignature { .. }
            | Problem::LeafIsAuthority { .. } => Severity::Warning,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Expired { subject, not_after } => {
                write!(f, "the certificate of {subject} has expired on {}: renew it", date(*not_after))
            }
            Problem::ExpiresSoon { subject, days } => {
                write!(f, "the certificate of {subject} expires in {days} days: renew it")
            }
            Problem::NotYetValid { subject, not_before } => write!(
                f,
                "the certificate of {subject} is not valid before {}: check the clock, or use the older one until \
                 then",
                date(*not_before)
            ),
            Problem::ChainOrder { subject, issuer } => write!(
                f,
                "the certificate of {subject} is not followed by that of its issuer {issuer}, which stands \
                 elsewhere in the file: order them from the host's own to the one nearest to the root"
            ),
            Problem::ChainBroken { subject, issuer, found } => write!(
                f,
                "the certificate of {subject} is followed by that of {found}, but was issued by {issuer}: have the \
                 certificate of {issuer} follow, or nothing"
            ),
            Problem::RootIncluded { subject } => write!(
                f,
                "the chain has the certificate of the root {subject}, which clients have themselves: leave it out \
                 and make each handshake smaller"
            ),
            Problem::NameNotCovered { name, subject } => write!(
                f,
                "the certificate of {subject} is not for {name}: request one that has this name among its \
                 alternative names"
            ),
            Problem::WeakKey { subject, bits } => write!(
                f,
                "the key of {subject} has {bits} bits: make an ECDSA P-256 key or an RSA key of {RSA_BITS_MIN} bits"
            ),
            Problem::UnusualKey { subject } => {
                write!(f, "the key of {subject} is of a kind that many refuse: make an ECDSA P-256 key")
            }
            Problem::WeakSignature { subject } => {
                write!(f, "the certificate of {subject} is signed over SHA-1 or MD5: have it issued again")
            }
            Problem::LeafIsAuthority { subject } => write!(
                f,
                "the certificate of {subject} is that of an authority, which some clients refuse from a host: issue \
                 one for the host alone (CA:FALSE)"
            ),
            Problem::NotAnAuthority { subject } => write!(
                f,
                "the certificate of {subject} stands in the chain as an issuer, but is not that of an authority: \
                 leave it out"
            ),
            Problem::StapleExpired { next_update } => write!(
                f,
                "an OCSP response is out of date since {}: fetch it again, or leave it out",
                date(*next_update)
            ),
            Problem::ListExpired { next_update } => write!(
                f,
                "a list of revoked certificates is out of date since {}, and no client of its authority is let in: \
                 fetch it again",
                date(*next_update)
            ),
        }
    }
}
