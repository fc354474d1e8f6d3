//! Supervisor and auth-pam, and auth-pam and the process of a login: names and passwords in, verdicts out.

use super::{Hello, Message};
use crate::wire::{Secret, records, variants};

variants! {
    /// To auth-pam, and to each process that it starts.
    pub enum ToPam {
        /// The first frame. Comes with the program, to be started for each login.
        1 Hello {
            /// As every child is told.
            hello: Hello,
        },
        /// Whether PAM lets somebody in.
        2 Login {
            /// Who, and where.
            login: PamLogin,
        },
        /// A new error log. Comes with its descriptor.
        3 ErrorLog,
        /// Where its messages are shown to viewers of the logs. Comes with a way to the logger.
        5 Messages,
        /// Whether PAM could judge at all: for the process of a login, before any.
        4 Probe {
            /// Names of services.
            services: Vec<String>,
        },
    }

    /// From them.
    pub enum FromPam {
        /// The answer to a login.
        1 Judged {
            /// Which.
            id: u64,
            /// What PAM says.
            verdict: PamVerdict,
        },
        /// The answer to a probe.
        2 Probed {
            /// Why libpam cannot be used; none when it can.
            library: Option<String>,
            /// Those services that are not there.
            missing: Vec<String>,
        },
    }

    /// What PAM says of a login.
    #[derive(Copy, Eq)]
    pub enum PamVerdict {
        /// The password is right, and the account may be used.
        1 Granted,
        /// It is not, or may not.
        2 Denied,
        /// Nobody can tell now.
        3 Unavailable,
    }
}

records! {
    /// A login that PAM is to judge.
    pub struct PamLogin {
        /// Names it in the answer.
        id: u64,
        /// The service.
        service: String,
        /// The name.
        user: String,
        /// The password.
        secret: Secret,
        /// The address of the client; empty when it has none.
        client: String,
    }

    /// A place where PAM is asked.
    pub struct PamNeeds {
        /// What logins call it.
        realm: u64,
        /// The service.
        service: String,
        /// Where the configuration says so.
        pointer: String,
    }
}

impl Message for ToPam {
    fn descriptors(&self) -> usize {
        usize::from(matches!(self, Self::Hello { .. } | Self::ErrorLog | Self::Messages))
    }
}

impl Message for FromPam {}
