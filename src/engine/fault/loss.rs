//! Why there was no answer: the error of the system, or of TLS, that is behind an error of the connection.

use crate::text::causes;
use std::error::Error as StdError;
use std::io;

use rustls::{AlertDescription, CertificateError};

/// Why there was no answer, as far as a hint depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// There is nothing at the path: no socket, or no program that was to lead to one.
    NotFound,
    /// This user may not open it.
    Denied,
    /// Nobody listens there (`ECONNREFUSED`).
    Refused,
    /// The other side broke the connection off.
    Reset,
    /// The connection was not made in time.
    TimedOut,
    /// The other side speaks TLS, and was not spoken to in it.
    TlsWanted,
    /// The other side was spoken to in TLS, and does not speak it.
    TlsUnknown,
    /// The other side wants a certificate, or another one than it was shown.
    CertificateWanted,
    /// The other side's certificate is for other names.
    CertificateOfAnother,
    /// The other side's certificate is not good for another reason: nobody who is trusted vouches for it, say.
    CertificateInvalid,
    /// Another reason, which only the error's text tells.
    Other,
}

impl Loss {
    pub(super) fn of(error: &(dyn StdError + 'static)) -> Self {
        let mut found = Self::Other;
        for cause in causes(error) {
            if let Some(tls) = cause.downcast_ref() {
                return Self::of_tls(tls);
            }
            if let Some(io) = cause.downcast_ref::<io::Error>() {
                found = match io.kind() {
                    io::ErrorKind::NotFound => Self::NotFound,
                    io::ErrorKind::PermissionDenied => Self::Denied,
                    io::ErrorKind::ConnectionRefused => Self::Refused,
                    io::ErrorKind::ConnectionReset => Self::Reset,
                    io::ErrorKind::TimedOut => Self::TimedOut,
                    _ => Self::Other,
                };
            }
        }
        found
    }

    fn of_tls(error: &rustls::Error) -> Self {
        use AlertDescription as Alert;
        use rustls::Error as Tls;
        match error {
            Tls::InvalidMessage(_) => Self::TlsUnknown,
            Tls::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            ) => Self::CertificateOfAnother,
            Tls::InvalidCertificate(_) => Self::CertificateInvalid,
            // Servers differ in which of these they say of a certificate that is missing, or that they do not trust.
            Tls::AlertReceived(
                Alert::CertificateRequired
                | Alert::HandshakeFailure
                | Alert::BadCertificate
                | Alert::UnsupportedCertificate
                | Alert::CertificateUnknown
                | Alert::CertificateExpired
                | Alert::CertificateRevoked
                | Alert::UnknownCA,
            ) => Self::CertificateWanted,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use bollard::errors::Error;

    use super::super::Fault;
    use super::*;

    #[test]
    fn no_answer_is_told_by_its_cause() {
        use rustls::{Error as Tls, InvalidMessage};
        let system = |kind: io::ErrorKind, number| {
            let error = io::Error::from_raw_os_error(number);
            assert_eq!(error.kind(), kind);
            error
        };
        let tls = |error: Tls| io::Error::new(io::ErrorKind::InvalidData, error);
        let certificate = |error| tls(Tls::InvalidCertificate(error));
        let alert = |alert| tls(Tls::AlertReceived(alert));
        let timed_out = || io::Error::new(io::ErrorKind::TimedOut, "no connection in 30 s");
        let ssh = || io::Error::new(io::ErrorKind::NotFound, "cannot run `ssh`: no such file or directory");
        let cases = [
            (
                system(io::ErrorKind::NotFound, 2),
                Loss::NotFound,
                "no such file or directory",
            ),
            (
                system(io::ErrorKind::PermissionDenied, 13),
                Loss::Denied,
                "permission denied",
            ),
            (
                system(io::ErrorKind::ConnectionRefused, 111),
                Loss::Refused,
                "connection refused",
            ),
            (
                system(io::ErrorKind::ConnectionReset, 104),
                Loss::Reset,
                "connection reset by peer",
            ),
            (timed_out(), Loss::TimedOut, "no connection in 30 s"),
            (ssh(), Loss::NotFound, "cannot run `ssh`: no such file or directory"),
            (
                tls(Tls::InvalidMessage(InvalidMessage::InvalidContentType)),
                Loss::TlsUnknown,
                "received corrupt message of type InvalidContentType",
            ),
            (
                certificate(CertificateError::UnknownIssuer),
                Loss::CertificateInvalid,
                "invalid peer certificate: UnknownIssuer",
            ),
            (
                certificate(CertificateError::NotValidForName),
                Loss::CertificateOfAnother,
                "invalid peer certificate: NotValidForName",
            ),
            (
                alert(AlertDescription::CertificateRequired),
                Loss::CertificateWanted,
                "received fatal alert: CertificateRequired",
            ),
            (
                alert(AlertDescription::HandshakeFailure),
                Loss::CertificateWanted,
                "received fatal alert: HandshakeFailure",
            ),
            (
                alert(AlertDescription::InternalError),
                Loss::Other,
                "received fatal alert: InternalError",
            ),
            (
                io::Error::other("Host key verification failed."),
                Loss::Other,
                "Host key verification failed.",
            ),
        ];
        for (error, loss, words) in cases {
            // An error of the connection comes wrapped in as many as there are layers.
            let wrapped = Error::IOError {
                err: io::Error::other(error),
            };
            assert_eq!(Fault::from(wrapped), Fault::Lost(loss, words.to_owned()));
        }
    }
}
