//! Supervisor and auth: secrets in, verdicts out.

use super::{Hello, Message, PamVerdict};
use crate::wire::{Bytes, Secret, records, variants};

variants! {
    /// To auth.
    pub enum ToAuth {
        /// The first frame.
        1 Hello {
            /// As every child is told.
            hello: Hello,
        },
        /// What to compare with from now on. Comes with an encoded [`Secrets`] in sealed memory.
        3 Learn,
        /// A new error log. Comes with its descriptor.
        4 ErrorLog,
        /// Where its messages are shown to viewers of the logs. Comes with a way to the logger.
        8 Messages,
        /// Who is let in where, from now on. Comes with encoded [`Realms`] and with the encoded [`super::Contents`] of
        /// their files, both in sealed memory.
        5 Realms,
        /// Whether a client may enter.
        6 Login {
            /// Names the question in the answer.
            id: u64,
            /// Where to.
            realm: u64,
            /// The name.
            user: String,
            /// The password.
            secret: Secret,
            /// What PAM says of it, where it was asked.
            pam: Option<PamVerdict>,
        },
        /// Whether the holder of a certificate has signed.
        7 Verify {
            /// Names the question in the verdict.
            id: u64,
            /// What was to be signed.
            message: Bytes,
            /// The certificate, in DER.
            certificate: Bytes,
            /// The number of the signature's scheme in TLS 1.3 (RFC 8446 4.2.3).
            scheme: u16,
            /// The signature.
            signature: Bytes,
        },
        /// Whether a proof is right.
        2 Ask {
            /// Names the question in the verdict.
            id: u64,
            /// What is to be judged.
            proof: Proof,
        },
    }

    /// From auth.
    pub enum FromAuth {
        /// Ready for questions.
        1 Ready,
        /// The answer to a question.
        2 Verdict {
            /// Which question.
            id: u64,
            /// The name under which the proof is known; none when it is wrong.
            name: Option<String>,
        },
        /// The answer to a login.
        3 Judged {
            /// Which.
            id: u64,
            /// What becomes of it.
            outcome: LoginOutcome,
        },
    }

    /// What becomes of a login.
    #[derive(Copy, Eq)]
    pub enum LoginOutcome {
        /// The password is right, and the user may enter.
        1 Admitted,
        /// It is not.
        2 Denied,
        /// The password is right, and the user may not enter.
        3 Forbidden,
        /// Nobody can tell now.
        4 Unavailable,
    }

    /// What somebody shows to be let in.
    pub enum Proof {
        /// Nothing but the credentials of the connection.
        1 Peer,
        /// A name and a password.
        2 Password {
            /// The name.
            user: String,
            /// The password.
            secret: Secret,
        },
        /// A token.
        3 Token {
            /// The token.
            secret: Secret,
        },
        /// None yet: asks for the nonce that a certificate's holder signs.
        4 Challenge,
        /// A certificate, and that it is the holder who says so.
        5 Certificate {
            /// The certificate, in DER.
            certificate: Bytes,
            /// The number of the signature's scheme in TLS 1.3 (RFC 8446 4.2.3).
            scheme: u16,
            /// What the holder has made of [`super::signed_message`].
            signature: Bytes,
        },
    }
}

records! {
    /// Everything that auth compares with.
    pub struct Secrets {
        /// Users with a password.
        users: Vec<UserEntry>,
        /// Tokens.
        tokens: Vec<TokenEntry>,
        /// Certificates.
        certificates: Vec<CertificateEntry>,
    }

    /// All that ask for a login.
    pub struct Realms {
        /// Each of them.
        realms: Vec<RealmEntry>,
    }

    /// Who is let in at one of them.
    pub struct RealmEntry {
        /// What logins call it.
        id: u64,
        /// Whether file, users and PAM all have to know the password, as far as they are there.
        all: bool,
        /// The file of users: its place among the files of auth.
        htpasswd: Option<u32>,
        /// Users of the configuration.
        users: Option<Vec<UserEntry>>,
        /// Whether PAM is asked, whose verdict comes with each login.
        pam: bool,
        /// The file of groups: its place among the files of auth.
        groups: Option<u32>,
        /// Users who may enter. Without any, and without groups, everybody may whose password is right.
        required_users: Vec<String>,
        /// Groups whose members may enter.
        required_groups: Vec<String>,
    }

    /// A user and the hash of a password.
    pub struct UserEntry {
        /// The name.
        name: String,
        /// As crypt(5) writes it.
        hash: String,
    }

    /// A token's name and SHA-256.
    pub struct TokenEntry {
        /// The name.
        name: String,
        /// 32 bytes.
        sha256: Bytes,
    }

    /// A holder's name and the SHA-256 of the certificate.
    pub struct CertificateEntry {
        /// The name.
        name: String,
        /// 32 bytes, of its DER.
        sha256: Bytes,
    }
}

impl Message for ToAuth {
    fn descriptors(&self) -> usize {
        match self {
            Self::Realms => 2,
            Self::Learn | Self::ErrorLog | Self::Messages => 1,
            Self::Hello { .. } | Self::Ask { .. } | Self::Verify { .. } | Self::Login { .. } => 0,
        }
    }
}

impl Message for FromAuth {}
